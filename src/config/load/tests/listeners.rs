//! Where there is a listener, there is no other.

use super::*;

#[test]
fn two_listeners_are_not_at_one_address() {
    for (listen, ops, taken) in [
        ("127.0.0.1:1", "127.0.0.1:1", true),
        ("127.0.0.1:1", "127.0.0.1:2", false),
        ("127.0.0.1:1", "127.0.0.2:1", false),
        ("0.0.0.0:1", "127.0.0.1:1", true),
        ("127.0.0.1:1", "0.0.0.0:1", true),
        ("0.0.0.0:1", "[::1]:1", false),
        ("[::]:1", "127.0.0.1:1", true),
        ("[::1]:1", "[::]:1", true),
        ("[::]:1", "0.0.0.0:1", true),
        ("[::ffff:127.0.0.1]:1", "127.0.0.1:1", true),
        ("127.0.0.1:0", "127.0.0.1:0", false),
    ] {
        let given = flags([
            (Key::DatabaseUrl, URL),
            (Key::Listen, listen),
            (Key::OpsListen, ops),
        ]);
        let told = load(&given, &Environment::default()).map(drop);
        let fault = format!(
            "ops-listen: --ops-listen: '{ops}' is taken by listen ({listen}): name another address or port"
        );
        let told = told.map_err(|faults| faults.to_string());
        assert_eq!(
            told,
            if taken { Err(fault) } else { Ok(()) },
            "{listen} {ops}"
        );
    }
    // The default of listen counts too; a listen that is none is one fault.
    assert_eq!(
        faults([(Key::DatabaseUrl, URL), (Key::OpsListen, "0.0.0.0:8086")]),
        [
            "ops-listen: --ops-listen: '0.0.0.0:8086' is taken by listen (127.0.0.1:8086): name another address or port"
        ]
    );
    let both = faults([
        (Key::DatabaseUrl, URL),
        (Key::Listen, "x"),
        (Key::OpsListen, "127.0.0.1:8086"),
    ]);
    assert_eq!(both.len(), 1, "{both:?}");
    assert!(both[0].starts_with("listen: "), "{both:?}");
}

//! What looks wrong and is not: it is taken and kept as it was meant.

use fusion_sidecar::domain::policy::Policy;
use rstest::rstest;

use super::{XML, deploy, query, stocked};

use crate::support::fleet::{lines, state};
use crate::support::wire::{get, post, prolog};

#[tokio::test]
async fn odd_names_of_devices_are_names() {
    let app = stocked(Policy::Redux).await;
    let count = async || {
        app.db
            .rows::<u32>("SELECT COUNT(*) FROM glpi_plugin_fusioninventory_agents")
            .await[0]
    };
    let names = [
        ("o'neil", "o'neil"),
        ("\"; DROP TABLE x; --", "\"; DROP TABLE x; --"),
        ("100%25 sure % of _", "100%25 sure % of _"),
        ("a&lt;b&gt;&amp;c", "a<b>&c"),
        ("back\\slash", "back\\slash"),
        ("gerät-été", "gerät-été"),
        ("💩-1", "💩-1"),
        ("../../etc", "../../etc"),
    ];
    for (index, (written, stored)) in names.iter().enumerate() {
        for _ in 0..2 {
            let answer = post(app.address(), XML, prolog(written).as_bytes()).await;
            assert_eq!(answer.status, 200, "{written}: {answer:?}");
            assert!(
                answer.body.contains("<RESPONSE>SEND</RESPONSE>"),
                "{answer:?}"
            );
        }
        let found: Vec<String> = app
            .db
            .rows(
                "SELECT device_id FROM glpi_plugin_fusioninventory_agents ORDER BY id DESC LIMIT 1",
            )
            .await;
        assert_eq!(found, [*stored]);
        assert_eq!(count().await as usize, index + 2, "{written}");
        let encoded =
            percent_encoding::utf8_percent_encode(stored, percent_encoding::NON_ALPHANUMERIC);
        let answer = get(
            app.address(),
            &query(&format!("action=getConfig&machineid={encoded}")),
        )
        .await;
        assert_eq!(answer.status, 200, "{stored}");
    }
    let before = count().await;
    // The table compares without case, so a variant is the same agent.
    assert_eq!(
        post(app.address(), XML, prolog("WKS-1").as_bytes())
            .await
            .status,
        200
    );
    // 255 characters are a name; a token that the table cannot hold is dropped; a message in Latin-1 is read.
    assert_eq!(count().await, before);
    let long = prolog(&"é".repeat(255)).replace("12345678", &"1".repeat(256));
    assert_eq!(post(app.address(), XML, long.as_bytes()).await.status, 200);
    let latin = prolog("caf@")
        .bytes()
        .map(|byte| if byte == b'@' { 0xe9 } else { byte })
        .collect::<Vec<_>>();
    assert_eq!(post(app.address(), XML, &latin).await.status, 200);
    let found: Vec<(String, Option<String>)> = app
        .db
        .rows("SELECT device_id, token FROM glpi_plugin_fusioninventory_agents ORDER BY id DESC LIMIT 2")
        .await;
    assert_eq!(
        found,
        [
            ("café".to_owned(), Some("12345678".to_owned())),
            ("é".repeat(255), None)
        ]
    );
}

#[rstest]
#[tokio::test]
async fn long_and_marked_up_reports_are_kept(
    #[values(Policy::Plugin, Policy::Redux)] policy: Policy,
) {
    let app = stocked(policy).await;
    let report = |rest: &str| {
        deploy(&format!(
            "action=setStatus&machineid=wks-1&uuid=run-1-1&status=ok&{rest}"
        ))
    };
    assert_eq!(
        get(
            app.address(),
            &deploy("action=getJobs&machineid=wks-1&version=2.8")
        )
        .await
        .status,
        200
    );
    let sent = lines(&app.db, "run-1-1").await.len();
    let emoji = "%F0%9F%92%A9".repeat(5_000);
    let long = "y".repeat(60_000);
    let marks = "%3C".repeat(20_000);
    for said in [
        "msg=%3Cscript%3Ealert(1)%3C/script%3E%26amp;&currentStep[]=checking",
        &format!("msg={emoji}&currentStep=checking&currentStep=processing"),
        &format!("msg={long}"),
        &format!("msg={marks}"),
        "msg=%ff%fe&currentStep=checking",
        "msg[]=a&currentStep=checking",
        "log[]=one&log[a]=two&log[b][c]=three&log[]=%ff",
    ] {
        let answer = get(app.address(), &report(said)).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "{}"),
            "{}",
            &said[..40.min(said.len())]
        );
    }
    let lines: Vec<(u32, String)> = lines(&app.db, "run-1-1").await.split_off(sent);
    let texts: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
    assert!(lines.iter().all(|(state, _)| *state == 6), "{lines:?}");
    let script = if policy == Policy::Redux {
        "&#60;script&#62;alert(1)&#60;/script&#62;&#38;amp;"
    } else {
        "<script>alert(1)</script>&amp;"
    };
    assert_eq!(texts[0], script);
    assert_eq!(texts[1], format!("Actions:{}", "💩".repeat(5_000)));
    assert_eq!(texts[2], long);
    if policy == Policy::Redux {
        assert!(texts[3].len() > 65_000 && texts[3].len() <= 65_535);
        assert!(!texts[3].contains('<'));
        assert_eq!(texts[6..], ["one", "two"]);
    } else {
        assert_eq!(texts[3], "<".repeat(20_000));
    }
    assert_eq!(texts[4], "Checks:");
    assert_eq!(texts[5], "Checks:");
    assert_eq!(
        state(&app.db, "run-1-1").await,
        if policy == Policy::Redux { 2 } else { 1 }
    );
}

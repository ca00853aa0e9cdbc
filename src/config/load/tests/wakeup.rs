//! Options of waking agents up that are no numbers.

use super::*;

#[test]
fn faults_of_waking_up() {
    let values = [
        (Key::DatabaseUrl, URL),
        (Key::WakeupNetworks, "10.0.0.0/8,office"),
        (Key::WakeupNames, "yes"),
    ];
    assert_eq!(
        faults(values),
        [
            "wakeup-networks: --wakeup-networks: 'office' is no address or network such as 10.0.0.0/8",
            "wakeup-names: --wakeup-names: 'yes' is neither on nor off",
        ]
    );
}

/// Each question to an agent has a connection of its own.
#[test]
fn questions_at_once_take_descriptors() {
    let mut settings = Settings::for_database(Database::new("h", "u", "d"));
    settings.wakeup.at_once = 1;
    let few = settings.descriptors();
    settings.wakeup.at_once = 1001;
    assert_eq!(settings.descriptors(), few + 1000);
}

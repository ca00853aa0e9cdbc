use super::{URL, faults, flags};
use crate::config::options::Key;
use crate::config::{Environment, load};
use crate::domain::driven::TaskMode;

#[test]
fn who_drives_a_task_that_does_not_say_it() {
    let given = |word| {
        load(
            &flags([(Key::DatabaseUrl, URL), (Key::TaskMode, word)]),
            &Environment::default(),
        )
    };
    assert_eq!(given("agent").unwrap().dispatch.task_mode, TaskMode::Agent);
    assert_eq!(
        given("server").unwrap().dispatch.task_mode,
        TaskMode::Server
    );
    assert_eq!(
        faults([(Key::DatabaseUrl, URL), (Key::TaskMode, "Agent")]),
        ["task-mode: --task-mode: 'Agent' is no mode of a task: server or agent"]
    );
}

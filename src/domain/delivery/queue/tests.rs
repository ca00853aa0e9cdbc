use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;

const NONE: [u64; 0] = [];

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn ticket(id: u64, device: &str, run: Option<i64>, full: bool) -> Ticket {
    Ticket {
        id,
        device: device.to_owned(),
        run,
        full,
        due: at(0),
        attempts: 0,
        since: at(0),
    }
}

fn inventory(id: u64, device: &str) -> Ticket {
    ticket(id, device, None, true)
}

#[test]
fn messages_of_a_device_go_one_after_the_other_and_those_of_others_beside() {
    let mut queue = Queue::new(false);
    for (id, device) in [(1, "a"), (2, "a"), (3, "b"), (4, "c")] {
        assert_eq!(queue.push(&inventory(id, device)), NONE);
    }
    assert_eq!(queue.take(at(0)), Some(1));
    assert_eq!(queue.take(at(0)), Some(3));
    assert_eq!((queue.flying(), queue.len()), (2, 4));
    queue.remove(1);
    assert_eq!(queue.take(at(0)), Some(2));
    assert_eq!(queue.take(at(0)), Some(4));
    assert_eq!(queue.take(at(0)), None);
}

#[test]
fn one_that_somebody_lets_be_tried_again_does_not_wait_out_its_pause() {
    let mut queue = Queue::new(false);
    queue.push(&inventory(1, "a"));
    queue.take(at(0));
    // While it is on its way nothing is changed, and afterwards it is known all the same.
    queue.renew(1, at(10), at(10), 0);
    assert_eq!((queue.flying(), queue.take(at(10))), (1, None));
    queue.put_off(1, at(3600), 4);
    queue.renew(1, at(0), at(5), 4);
    assert_eq!(queue.take(at(3599)), None, "nobody did");
    queue.renew(1, at(10), at(10), 0);
    assert_eq!(queue.attempts(1), 0);
    assert_eq!(queue.take(at(10)), Some(1));
    queue.put_off(1, at(3600), 1);
    queue.renew(1, at(10), at(10), 0);
    assert_eq!(queue.take(at(3599)), None, "once");
}

#[test]
fn a_clock_that_is_set_back_holds_up_nobody_for_longer_than_the_longest_pause() {
    let mut queue = Queue::new(false);
    for (id, due) in [(1, 20), (2, 1_000_000)] {
        let device = id.to_string();
        queue.push(&Ticket {
            due: at(due),
            ..inventory(id, &device)
        });
    }
    queue.hasten(at(100));
    assert_eq!((queue.take(at(20)), queue.take(at(99))), (Some(1), None));
    assert_eq!(queue.take(at(100)), Some(2));
}

#[test]
fn one_that_comes_back_before_one_on_its_way_waits_for_it() {
    for run in [None, Some(7)] {
        let mut queue = Queue::new(false);
        queue.push(&ticket(5, "a", run, false));
        assert_eq!(queue.take(at(0)), Some(5));
        // It was parked, and somebody lets it be tried again.
        queue.push(&ticket(3, "a", run, false));
        assert_eq!(queue.take(at(0)), None);
        queue.put_off(5, at(0), 1);
        assert_eq!(queue.take(at(0)), Some(3), "in order again");
        queue.remove(3);
        assert_eq!(queue.take(at(0)), Some(5));
        queue.push(&ticket(4, "a", run, false));
        queue.remove(5);
        assert_eq!(queue.take(at(0)), Some(4));
    }
}

#[test]
fn one_that_failed_holds_up_its_device_and_nobody_else() {
    let mut queue = Queue::new(false);
    for (id, device) in [(1, "a"), (2, "a"), (3, "b")] {
        queue.push(&inventory(id, device));
    }
    assert_eq!(queue.take(at(0)), Some(1));
    queue.put_off(1, at(30), 1);
    assert_eq!(queue.take(at(0)), Some(3));
    queue.remove(3);
    assert_eq!(queue.take(at(29)), None);
    assert_eq!(queue.next_due(), Some(at(30)));
    assert_eq!((queue.take(at(30)), queue.attempts(1)), (Some(1), 1));
    // Parked.
    queue.remove(1);
    assert_eq!(queue.take(at(30)), Some(2));
}

#[test]
fn a_newer_full_inventory_takes_the_place_of_those_that_still_wait() {
    let mut queue = Queue::new(true);
    queue.push(&inventory(1, "a"));
    assert_eq!(queue.take(at(0)), Some(1));
    assert_eq!(queue.push(&inventory(2, "a")), NONE, "one is on its way");
    assert_eq!(
        queue.push(&ticket(3, "a", None, false)),
        NONE,
        "it does not say all"
    );
    assert_eq!(queue.push(&ticket(4, "a", Some(7), false)), NONE);
    assert_eq!(queue.push(&inventory(5, "b")), NONE);
    assert_eq!(queue.push(&inventory(6, "a")), [2]);
    assert_eq!(queue.ids(), [1, 3, 4, 5, 6]);
    let mut keeps_all = Queue::new(false);
    keeps_all.push(&inventory(1, "a"));
    assert_eq!(keeps_all.push(&inventory(2, "a")), NONE);
}

#[test]
fn the_end_of_a_run_does_not_overtake_its_devices() {
    let mut queue = Queue::new(true);
    // The plugin lets any agent speak of any run.
    for (id, device) in [(1, "a"), (2, "b"), (3, "a")] {
        queue.push(&ticket(id, device, Some(7), false));
    }
    queue.push(&ticket(4, "b", Some(8), false));
    for (id, left) in [(1, 3), (2, 2), (3, 1)] {
        assert_eq!(queue.of_run(7), left);
        assert_eq!(queue.take(at(0)), Some(id));
        if id == 2 {
            assert_eq!(queue.take(at(0)), None, "4 stands behind 2");
        }
        queue.remove(id);
    }
    assert_eq!((queue.of_run(7), queue.runs()), (0, vec![8]));
    assert_eq!(queue.take(at(0)), Some(4));
}

#[test]
fn one_that_comes_late_with_a_lower_number_stands_in_front() {
    let mut queue = Queue::new(true);
    queue.push(&ticket(5, "a", None, false));
    queue.push(&ticket(3, "a", None, false));
    assert_eq!(queue.take(at(0)), Some(3));
    assert_eq!(queue.take(at(0)), None);
    assert_eq!(
        queue.push(&ticket(3, "a", None, false)),
        NONE,
        "it is there"
    );
    queue.remove(3);
    assert_eq!(queue.take(at(0)), Some(5));
}

/// The same rules without an index: the first whose pause is over and before which nothing of its device or run stands.
#[derive(Debug, Default)]
struct Plain {
    supersedes: bool,
    items: Vec<(Ticket, bool)>,
}

impl Plain {
    fn push(&mut self, ticket: Ticket) -> Vec<u64> {
        let mut gone = Vec::new();
        if self.supersedes && ticket.full {
            self.items.retain(|(old, flying)| {
                let stays =
                    *flying || !old.full || old.device != ticket.device || old.id > ticket.id;
                if !stays {
                    gone.push(old.id);
                }
                stays
            });
        }
        self.items.push((ticket, false));
        self.items.sort_by_key(|(ticket, _)| ticket.id);
        gone
    }

    fn take(&mut self, now: DateTime<Utc>) -> Option<u64> {
        let first = |at: usize| {
            let own = &self.items[at].0;
            !self.items[..at].iter().any(|(other, _)| {
                other.device == own.device || own.run.is_some() && other.run == own.run
            })
        };
        let mut ready: Vec<(DateTime<Utc>, u64, usize)> = (0..self.items.len())
            .filter(|at| !self.items[*at].1 && first(*at))
            .map(|at| (self.items[at].0.due, self.items[at].0.id, at))
            .collect();
        ready.sort_unstable();
        let (_, id, at) = *ready.first().filter(|(due, ..)| *due <= now)?;
        self.items[at].1 = true;
        Some(id)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push(u8, Option<i64>, bool),
    Take,
    Settle(usize),
    PutOff(usize, i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_u8..4, proptest::option::of(0_i64..3), any::<bool>())
            .prop_map(|(device, run, full)| Step::Push(device, run, full && run.is_none())),
        3 => Just(Step::Take),
        2 => (0_usize..8).prop_map(Step::Settle),
        1 => (0_usize..8, 0_i64..5).prop_map(|(which, by)| Step::PutOff(which, by)),
    ]
}

proptest! {
    /// The index gives out what the plain rules do, whatever happens, and in the end everything, each once.
    #[test]
    fn the_index_follows_the_rules(supersedes: bool, steps in proptest::collection::vec(step(), 1..120)) {
        let mut queue = Queue::new(supersedes);
        let mut plain = Plain { supersedes, ..Plain::default() };
        let (mut now, mut last) = (0, 0);
        let mut flying: Vec<u64> = Vec::new();
        for step in steps {
            now += 1;
            match step {
                Step::Push(device, run, full) => {
                    last += 1;
                    let ticket = ticket(last, &device.to_string(), run, full);
                    prop_assert_eq!(queue.push(&ticket), plain.push(ticket));
                }
                Step::Take => {
                    let id = queue.take(at(now));
                    prop_assert_eq!(id, plain.take(at(now)));
                    flying.extend(id);
                }
                Step::Settle(which) if which < flying.len() => {
                    let id = flying.swap_remove(which);
                    queue.remove(id);
                    plain.items.retain(|(ticket, _)| ticket.id != id);
                }
                Step::PutOff(which, by) if which < flying.len() => {
                    let id = flying.swap_remove(which);
                    queue.put_off(id, at(now + by), 1);
                    for (ticket, flies) in &mut plain.items {
                        if ticket.id == id {
                            (ticket.due, *flies) = (at(now + by), false);
                        }
                    }
                }
                Step::Settle(_) | Step::PutOff(..) => {}
            }
            prop_assert_eq!(queue.flying(), flying.len());
            prop_assert_eq!(queue.ids(), plain.items.iter().map(|(ticket, _)| ticket.id).collect::<Vec<_>>());
        }
        for id in flying {
            queue.remove(id);
        }
        let left = queue.len();
        let mut gone = 0;
        while let Some(id) = queue.take(at(now + 10)) {
            queue.remove(id);
            gone += 1;
        }
        prop_assert_eq!((gone, queue.is_empty(), queue.runs().len()), (left, true, 0));
    }
}

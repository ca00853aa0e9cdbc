//! The spool against a model, on a disk that fails and is cut off.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// So many at once, of this size.
    Append(u8, u16),
    Done(prop::sample::Index),
    Park(prop::sample::Index),
    Retry(prop::sample::Index),
    Failed(prop::sample::Index),
    Discard(prop::sample::Index),
    Read(prop::sample::Index),
    Settle,
    Fault(Fault),
    Mended,
    /// The process ends, or the power; a bit of the disk may flip meanwhile.
    Restart {
        power: bool,
        flips: bool,
        chance: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        6 => (1..4_u8, 0..1500_u16).prop_map(|(count, size)| Step::Append(count, size)),
        4 => index().prop_map(Step::Done),
        2 => index().prop_map(Step::Park),
        2 => index().prop_map(Step::Retry),
        1 => index().prop_map(Step::Failed),
        1 => index().prop_map(Step::Discard),
        1 => index().prop_map(Step::Read),
        2 => Just(Step::Settle),
        1 => (0..3000_usize).prop_map(|left| Step::Fault(Fault::Full(left))),
        1 => Just(Step::Fault(Fault::ReadOnly)),
        1 => Just(Step::Fault(Fault::Sync)),
        2 => (0..4000_usize).prop_map(|left| Step::Fault(Fault::Killed(left))),
        2 => Just(Step::Mended),
        2 => (any::<bool>(), prop::bool::weighted(0.2), any::<u64>())
            .prop_map(|(power, flips, chance)| Step::Restart { power, flips, chance }),
    ]
}

/// What is known of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Waiting,
    Parked,
    /// It may stand in any state, or be gone: a move failed that may be there after a restart.
    Unsure,
    /// It is gone; whether a power failure brings it back.
    Gone {
        returns: bool,
    },
}

#[derive(Default)]
struct Model {
    messages: BTreeMap<MessageId, (Known, usize)>,
    /// Bits flipped so far: each may cost a message, or what a move said.
    flips: usize,
    /// Damage that was reported so far.
    reported: u64,
}

const DEVICE: &str = "model";

struct Run {
    disk: Disk,
    spool: Option<Spool>,
    model: Model,
}

impl Run {
    fn open(&mut self) {
        let bounds = Bounds {
            max_bytes: 48 << 10,
            ..small()
        };
        let (spool, recovery) =
            Spool::open_on(Arc::new(self.disk.clone()), bounds, clock()).unwrap();
        self.model.reported += recovery.damaged + recovery.damaged_moves;
        self.spool = Some(spool);
    }

    fn spool(&self) -> Spool {
        self.spool.clone().unwrap()
    }

    fn pick(&self, index: prop::sample::Index) -> Option<MessageId> {
        let entries = self.spool().entries();
        (!entries.is_empty()).then(|| entries[index.index(entries.len())].id)
    }

    async fn step(&mut self, step: Step) {
        let spool = self.spool();
        match step {
            Step::Append(count, size) => {
                let size = usize::from(size);
                let appends = (0..count).map(|_| spool.append(message(DEVICE, size)));
                for id in futures_util::future::join_all(appends)
                    .await
                    .into_iter()
                    .flatten()
                {
                    let old = self.model.messages.insert(id, (Known::Waiting, size));
                    assert!(old.is_none(), "{id} was given twice: {old:?}");
                }
            }
            Step::Done(index) => {
                let Some(id) = self.pick(index) else { return };
                // After an error too it is gone here, and may be back after a restart.
                let known = match spool.done(id).await {
                    Ok(_) => Known::Gone { returns: true },
                    Err(_) => Known::Unsure,
                };
                assert_eq!(spool.entry(id), None);
                self.know(id, known);
            }
            Step::Park(index) => {
                let Some(id) = self.pick(index) else { return };
                let parked = spool.park(id, "model").await;
                self.know(id, parked.map_or(Known::Unsure, |_| Known::Parked));
            }
            Step::Retry(index) => {
                let Some(id) = self.pick(index) else { return };
                let retried = spool.retry(id).await;
                self.know(id, retried.map_or(Known::Unsure, |_| Known::Waiting));
            }
            Step::Failed(index) => {
                let Some(id) = self.pick(index) else { return };
                let _ = spool.failed(id, 1, None).await;
            }
            Step::Discard(index) => {
                let Some(id) = self.pick(index) else { return };
                let gone = spool.discard(id).await;
                self.know(
                    id,
                    gone.map_or(Known::Unsure, |_| Known::Gone { returns: false }),
                );
            }
            Step::Read(index) => {
                let Some(id) = self.pick(index) else { return };
                self.check(id).await;
            }
            Step::Settle => {
                if spool.settle().await.is_ok() {
                    for (known, _) in self.model.messages.values_mut() {
                        if let Known::Gone { returns } = known {
                            *returns = false;
                        }
                    }
                }
            }
            Step::Fault(fault) => self.disk.fault(Some(fault)),
            Step::Mended => self.disk.fault(None),
            Step::Restart {
                power,
                flips,
                chance,
            } => {
                drop(spool);
                self.restart(power, flips, chance).await;
                return;
            }
        }
        if self.disk.is_cut() {
            drop(spool);
            // The process alone ended, or the machine with it.
            let chance = self.model.messages.len() as u64;
            self.restart(chance % 2 == 1, false, chance).await;
        }
    }

    fn know(&mut self, id: MessageId, known: Known) {
        if let Some((before, _)) = self.model.messages.get_mut(&id) {
            *before = known;
        }
    }

    /// Reads a message: it is what was given, or is said to be damaged after a bit flipped.
    async fn check(&mut self, id: MessageId) {
        let Some((_, size)) = self.model.messages.get(&id).copied() else {
            // It was never acknowledged and is there all the same, perhaps in part.
            let read = self.spool().read(id).await;
            assert!(
                matches!(read, Ok(_) | Err(SpoolError::Damaged(_))),
                "{read:?}"
            );
            return;
        };
        match self.spool().read(id).await {
            Ok(read) => assert_eq!(read, message(DEVICE, size)),
            Err(error) => {
                assert!(self.model.flips > 0, "{error}");
                self.model.reported += 1;
                self.know(id, Known::Unsure);
            }
        }
    }

    async fn restart(&mut self, power: bool, flips: bool, chance: u64) {
        self.disk.cut();
        self.spool = None;
        self.disk.restart(power, chance);
        if flips && self.disk.flip(chance) {
            self.model.flips += 1;
        }
        self.open();
        let found: BTreeMap<MessageId, bool> = self
            .spool()
            .entries()
            .iter()
            .map(|entry| (entry.id, entry.is_waiting()))
            .collect();
        let mut odd = 0;
        for (id, (known, _)) in &self.model.messages {
            let fits = match (known, found.get(id)) {
                (Known::Waiting, Some(waiting)) => *waiting,
                (Known::Parked, Some(waiting)) => !waiting,
                (Known::Unsure, _) | (Known::Gone { .. }, None) => true,
                (Known::Gone { returns }, Some(_)) => *returns && power,
                (Known::Waiting | Known::Parked, None) => false,
            };
            odd += usize::from(!fits);
        }
        // A flipped bit costs one message or one move, which is said.
        assert!(
            odd <= self.model.flips,
            "{odd}: {:?}\n{found:?}",
            self.model.messages
        );
        if odd > 0 {
            assert!(self.model.reported > 0, "{odd} without a word");
        }
        // From here on what was found counts.
        for (id, (known, _)) in &mut self.model.messages {
            // What a killed process had not synced is there, and a power failure can still undo it.
            let open = !power && matches!(known, Known::Unsure | Known::Gone { returns: true });
            *known = match found.get(id) {
                Some(_) if open => Known::Unsure,
                Some(true) => Known::Waiting,
                Some(false) => Known::Parked,
                None => Known::Gone { returns: open },
            };
        }
        for id in found.keys() {
            self.check(*id).await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nothing_acknowledged_is_lost_and_nothing_done_is_back(
        steps in prop::collection::vec(step(), 1..60),
        power in any::<bool>(),
        chance in any::<u64>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut run = Run { disk: Disk::default(), spool: None, model: Model::default() };
            run.open();
            for step in steps {
                run.step(step).await;
            }
            run.restart(power, false, chance).await;
        });
    }
}

use std::path::Path;
use std::sync::Arc;

use chrono::DateTime;

use super::*;
use crate::clock::ManualClock;

mod faulty;
mod model;
mod sound;

use faulty::{Disk, Fault};

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(DateTime::UNIX_EPOCH))
}

fn message(device: &str, size: usize) -> Message {
    let bytes: Vec<u8> = device.bytes().cycle().take(size).collect();
    Message {
        received_at: DateTime::UNIX_EPOCH,
        kind: Kind::Inventory,
        device: device.to_owned(),
        run: Some(7),
        full: true,
        origin: Origin {
            client: [127, 0, 0, 9].into(),
            https: true,
            host: Some("glpi.example".to_owned()),
            content_type: Some("application/x-compress-zlib".to_owned()),
            user_agent: None,
            headers: vec![("x-more".to_owned(), "1".to_owned())],
            path: "/".to_owned(),
            query: None,
        },
        body: bytes.into(),
    }
}

fn on_disk(dir: &Path, bounds: Bounds) -> (Spool, Recovery) {
    Spool::open(dir, bounds, clock()).unwrap()
}

fn small() -> Bounds {
    Bounds {
        max_bytes: 1 << 20,
        max_age: Duration::from_hours(1),
        min_free: 0,
        segment: 4096,
    }
}

#[tokio::test]
async fn a_message_and_its_moves_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, recovery) = on_disk(
        dir.path(),
        Bounds {
            min_free: 0,
            ..Bounds::default()
        },
    );
    assert_eq!(recovery, Recovery::default());
    let mut seen = spool.changed();
    let first = spool.append(message("a", 1000)).await.unwrap();
    let second = spool.append(message("b", 2000)).await.unwrap();
    let third = spool.append(message("c", 3000)).await.unwrap();
    seen.changed().await.unwrap();
    assert!(spool.done(first).await.unwrap());
    seen.changed().await.unwrap();
    assert!(!spool.done(first).await.unwrap());
    assert!(spool.park(second, "refused").await.unwrap());
    assert!(
        spool
            .failed(third, 3, Some(DateTime::UNIX_EPOCH))
            .await
            .unwrap()
    );
    assert!(!spool.failed(second, 1, None).await.unwrap());
    let before = spool.entries();
    drop(spool);

    let (spool, recovery) = on_disk(dir.path(), small());
    assert_eq!(
        (recovery.segments, recovery.waiting, recovery.parked),
        (1, 1, 1)
    );
    assert!(!recovery.is_damaged() && recovery.torn == 0, "{recovery:?}");
    assert_eq!(spool.entries(), before);
    assert_eq!(spool.read(third).await.unwrap(), message("c", 3000));
    assert_eq!(spool.read(first).await, Err(SpoolError::Unknown(first)));
    assert_eq!(spool.entry(third).unwrap().attempts, 3);
    assert!(spool.retry(second).await.unwrap());
    assert!(spool.entry(second).unwrap().is_waiting());
    let fourth = spool.append(message("d", 10)).await.unwrap();
    assert!(fourth > third);
    assert!(spool.supersede(second, fourth).await.unwrap());
    assert!(spool.discard(third).await.unwrap());
    let usage = spool.usage();
    assert_eq!((usage.waiting, usage.parked), (1, 0));
    assert!(usage.free.unwrap() > 0 && usage.trouble.is_none());
}

#[tokio::test]
async fn one_process_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = on_disk(dir.path(), small());
    let second = Spool::open(dir.path(), small(), clock());
    assert_eq!(
        second.unwrap_err(),
        SpoolError::InUse(dir.path().to_owned())
    );
    drop(first);
    on_disk(dir.path(), small());
}

#[tokio::test]
async fn bounds_refuse_before_anything_breaks() {
    let disk = Disk::default();
    let bounds = Bounds {
        max_bytes: 3000,
        min_free: 5000,
        ..small()
    };
    let (spool, _) = Spool::open_on(Arc::new(disk.clone()), bounds, clock()).unwrap();
    let first = spool.append(message("a", 2000)).await.unwrap();
    let refused = spool.append(message("b", 2000)).await.unwrap_err();
    assert_eq!(refused, SpoolError::Full(Full::Bytes));
    disk.fault(Some(Fault::Full(5100)));
    let refused = spool.append(message("c", 100)).await.unwrap_err();
    assert_eq!(refused, SpoolError::Full(Full::Free));
    disk.fault(None);
    assert!(spool.append(message("c", 100)).await.is_ok());
    assert!(spool.entry(first).is_some());
}

#[tokio::test]
async fn what_the_disk_refuses_is_not_taken_and_goes_on_afterwards() {
    for (fault, expected) in [
        (Fault::Full(100), SpoolError::Full(Full::Disk)),
        (
            Fault::ReadOnly,
            SpoolError::Unwritable("read-only filesystem or storage medium".into()),
        ),
        (
            Fault::Sync,
            SpoolError::Unwritable("input/output error".into()),
        ),
    ] {
        let disk = Disk::default();
        let (spool, _) = Spool::open_on(Arc::new(disk.clone()), small(), clock()).unwrap();
        let kept = spool.append(message("kept", 500)).await.unwrap();
        disk.fault(Some(fault));
        assert_eq!(
            spool.append(message("lost", 500)).await.unwrap_err(),
            expected
        );
        assert!(spool.usage().trouble.is_some());
        disk.fault(None);
        let more = spool.append(message("more", 500)).await.unwrap();
        assert_eq!(spool.usage().trouble, None);
        disk.cut();
        drop(spool);
        disk.restart(true, 5);
        let (spool, recovery) = Spool::open_on(Arc::new(disk.clone()), small(), clock()).unwrap();
        assert!(!recovery.is_damaged(), "{fault:?}: {recovery:?}");
        let ids: Vec<MessageId> = spool.entries().iter().map(|entry| entry.id).collect();
        assert_eq!(ids, [kept, more], "{fault:?}");
    }
}

#[tokio::test]
async fn what_is_done_is_not_back_though_the_disk_refused_to_note_it() {
    let disk = Disk::default();
    let (spool, _) = Spool::open_on(Arc::new(disk.clone()), small(), clock()).unwrap();
    let id = spool.append(message("a", 500)).await.unwrap();
    spool.append(message("b", 500)).await.unwrap();
    disk.fault(Some(Fault::ReadOnly));
    assert!(spool.done(id).await.is_err());
    assert_eq!(spool.entry(id), None);
    assert!(spool.usage().trouble.is_some());
    // Only this tells whether it is noted: the message is gone for a second call.
    assert!(spool.settle().await.is_err());
    assert_eq!(spool.done(id).await, Ok(false));
    assert!(spool.settle().await.is_err());
    disk.fault(None);
    spool.settle().await.unwrap();
    assert_eq!(spool.usage().trouble, None);
    disk.cut();
    drop(spool);
    disk.restart(true, 1);
    let (spool, _) = Spool::open_on(Arc::new(disk), small(), clock()).unwrap();
    assert_eq!(spool.entry(id), None);
    assert_eq!(spool.entries().len(), 1);
}

#[tokio::test]
async fn what_is_too_old_is_parked_and_can_be_tried_again() {
    let clock = clock();
    let disk = Disk::default();
    let (spool, _) = Spool::open_on(Arc::new(disk), small(), Arc::clone(&clock) as _).unwrap();
    let id = spool.append(message("a", 10)).await.unwrap();
    clock.advance(Duration::from_hours(1));
    spool.settle().await.unwrap();
    assert!(spool.entry(id).unwrap().is_waiting());
    clock.advance(Duration::from_secs(1));
    spool.settle().await.unwrap();
    let State::Parked { reason, .. } = &spool.entry(id).unwrap().state else {
        panic!("it waits");
    };
    assert_eq!(reason, "older than spool-max-age (3600 s)");
    assert!(spool.retry(id).await.unwrap());
    spool.settle().await.unwrap();
    assert!(spool.entry(id).unwrap().is_waiting());
}

/// With a move every 20 ms that has to be synced.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_is_parked_also_while_moves_are_made() {
    let clock = clock();
    let (spool, _) =
        Spool::open_on(Arc::new(Disk::default()), small(), Arc::clone(&clock) as _).unwrap();
    let old = spool.append(message("a", 10)).await.unwrap();
    clock.advance(Duration::from_hours(2));
    let begin = std::time::Instant::now();
    while spool.entry(old).unwrap().is_waiting() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it waits on");
        let id = spool.append(message("b", 10)).await.unwrap();
        spool.discard(id).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_order_is_not_carried_out_in_a_spool_of_another_user() {
    let dir = tempfile::tempdir().unwrap();
    // Whoever runs this is either root, or does not own the root directory.
    let place = if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(dir.path(), Some(65534), None).unwrap();
        dir.path()
    } else {
        Path::new("/")
    };
    let order = Order::Retry(vec![MessageId(1)]);
    let refused = Spool::order(place, small(), clock(), order).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("give the order as that user"), "{refused}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_parked_message_holds_back_no_more_than_itself() {
    let disk = Disk::default();
    let (spool, _) = Spool::open_on(Arc::new(disk.clone()), small(), clock()).unwrap();
    let mut parked = Vec::new();
    for round in 0..40 {
        let keeps = spool.append(message("keeps", 100 + round)).await.unwrap();
        spool.park(keeps, "for long").await.unwrap();
        parked.push((keeps, 100 + round));
        for _ in 0..8 {
            let id = spool.append(message("goes", 500)).await.unwrap();
            spool.done(id).await.unwrap();
        }
        spool.settle().await.unwrap();
    }
    // Of 40 segments or more, those that the spare bytes fill are left.
    let segments = disk
        .names()
        .iter()
        .filter(|name| name.strip_suffix(".spool").is_some())
        .count();
    assert!(segments <= 12, "{segments} segments: {:?}", disk.names());
    disk.cut();
    drop(spool);
    disk.restart(true, 3);
    let (spool, recovery) = Spool::open_on(Arc::new(disk), small(), clock()).unwrap();
    assert_eq!((recovery.parked, recovery.is_damaged()), (40, false));
    for (id, size) in parked {
        assert_eq!(spool.read(id).await.unwrap(), message("keeps", size));
    }
}

#[tokio::test]
async fn damage_costs_what_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = on_disk(
        dir.path(),
        Bounds {
            segment: 1 << 20,
            ..small()
        },
    );
    for device in ["a", "b", "c"] {
        spool.append(message(device, 1000)).await.unwrap();
    }
    let ids: Vec<MessageId> = spool.entries().iter().map(|entry| entry.id).collect();
    drop(spool);
    let segment = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|file| file.unwrap().path());
    let segment = segment
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "spool"));
    let segment = segment.unwrap();
    let whole = std::fs::read(&segment).unwrap();
    let record = (whole.len() - 32) / 3;

    // The head of the second: the others are found, and its bytes are kept.
    let mut bytes = whole.clone();
    bytes[record + 13] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let (spool, recovery) = on_disk(dir.path(), small());
    assert_eq!(
        (recovery.waiting, recovery.damaged, recovery.damaged_bytes),
        (2, 1, record as u64)
    );
    assert_eq!(spool.read(ids[2]).await.unwrap(), message("c", 1000));
    let aside = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|file| file.unwrap().path());
    let aside = aside
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "damaged"));
    assert_eq!(
        std::fs::read(aside.unwrap()).unwrap(),
        bytes[record..2 * record]
    );
    drop(spool);

    // The body of the second, in a sealed segment: it is noticed when it is read, and parked.
    let mut bytes = whole.clone();
    bytes[2 * record - 1] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let (spool, recovery) = on_disk(dir.path(), small());
    assert_eq!((recovery.waiting, recovery.damaged), (3, 0));
    assert_eq!(spool.read(ids[1]).await, Err(SpoolError::Damaged(ids[1])));
    assert!(!spool.entry(ids[1]).unwrap().is_waiting());
    drop(spool);

    // The last record torn.
    std::fs::write(&segment, &whole[..3 * record - 10]).unwrap();
    let (_, recovery) = on_disk(dir.path(), small());
    assert_eq!(
        (recovery.torn, recovery.damaged, recovery.waiting),
        (1, 0, 1)
    );
    let (_, recovery) = on_disk(dir.path(), small());
    assert_eq!(recovery.torn, 0, "it was cut off");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_reach_the_process_that_has_it_open_or_are_carried_out_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = on_disk(dir.path(), small());
    let mut ids = Vec::new();
    for device in ["a", "b", "c"] {
        let id = spool.append(message(device, 10)).await.unwrap();
        spool.park(id, "for a test").await.unwrap();
        ids.push(id);
    }
    let order = |order| Spool::order(dir.path(), small(), clock(), order);
    let view = view::View::read(dir.path()).unwrap();
    assert!(view.served);
    assert_eq!((view.entries(), view.usage().parked), (spool.entries(), 3));
    assert_eq!(view.message(ids[0]).unwrap(), message("a", 10));
    let outcome = order(Order::Retry(vec![ids[0], MessageId(99)]))
        .await
        .unwrap();
    assert_eq!(
        (outcome.done, outcome.unknown),
        (vec![ids[0]], vec![MessageId(99)])
    );
    assert!(spool.entry(ids[0]).unwrap().is_waiting());
    let outcome = order(Order::Drop(vec![ids[1]])).await.unwrap();
    assert_eq!((outcome.done, spool.entry(ids[1])), (vec![ids[1]], None));
    drop(spool);

    assert!(!view::View::read(dir.path()).unwrap().served);
    let outcome = order(Order::RetryAll).await.unwrap();
    assert_eq!(outcome.done, [ids[2]]);
    let view = view::View::read(dir.path()).unwrap();
    assert_eq!((view.usage().waiting, view.usage().parked), (2, 0));
    let nowhere = dir.path().join("nowhere");
    let error = Spool::order(&nowhere, small(), clock(), Order::RetryAll).await;
    assert!(
        matches!(error, Err(SpoolError::Directory { .. })),
        "{error:?}"
    );
}

use super::*;
use crate::domain::reports::ask::Step;
use crate::domain::reports::build::{failures, progress};
use crate::domain::reports::counted::{Ended, Failed};

#[test]
fn axes_end_at_round_numbers() {
    for (most, end) in [
        (1, 1),
        (2, 2),
        (3, 5),
        (6, 10),
        (11, 20),
        (999, 1000),
        (1000, 1000),
        (u64::MAX, u64::MAX),
    ] {
        assert_eq!(round_up(most), end, "{most}");
    }
}

#[test]
fn bars_stand_on_each_other_within_the_picture() {
    let ended = |step: &str, well, runs| Ended {
        step: step.to_owned(),
        well,
        unneeded: false,
        runs,
    };
    let (from, until) = ("2026-03-01T00:00:00", "2026-03-05T00:00:00");
    let rows = [
        ended("2026-03-01", true, 3),
        ended("2026-03-01", false, 1),
        ended("2026-03-04", true, 2),
    ];
    let table = progress(
        Step::Day,
        from.parse().unwrap(),
        until.parse().unwrap(),
        &rows,
    );
    let picture = draw(&table, Tongue::French).unwrap();
    assert_eq!(picture.about, "Réussis: 5, Inutiles: 0, Échoués: 1");
    let [good, bad, last] = &picture.bars[..] else {
        panic!("{picture:?}")
    };
    assert_eq!((good.class, bad.class, last.class), ("good", "bad", "good"));
    assert!((bad.y + bad.height - good.y).abs() < 0.02, "{picture:?}");
    assert!((good.y + good.height - 230.0).abs() < 0.02);
    assert!(last.x + last.width <= 800.0 && bad.y >= 12.0);
    assert_eq!(good.title, "2026-03-01 – Réussis: 3");
    assert_eq!(
        picture
            .labels
            .iter()
            .filter(|label| label.anchor == "middle")
            .count(),
        4
    );
}

#[test]
fn bars_that_lie_are_the_first_ones_and_nothing_is_not_drawn() {
    let failed = |at: u64| Failed {
        message: format!("{at:02} {}", "x".repeat(50)),
        count: 100 - at,
        last: None,
    };
    let table = failures((0..30).map(failed).collect(), 100);
    let picture = draw(&table, Tongue::English).unwrap();
    assert_eq!(picture.bars.len(), MOST);
    assert!(picture.labels[0].text.starts_with("00 xxx") && picture.labels[0].text.ends_with('…'));
    assert!((picture.bars[0].width - 480.0).abs() < 0.02);
    assert!(
        picture
            .bars
            .iter()
            .all(|bar| bar.y + bar.height <= f64::from(picture.height))
    );
    assert!(draw(&failures(vec![], 9), Tongue::English).is_none());
}

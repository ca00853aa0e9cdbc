//! Hundreds of agents at once.

use std::time::{Duration, Instant};

use fusion_sidecar::domain::policy::Policy;

use super::Site;
use crate::support::fake_agents::Manner;

const AGENTS: u32 = 400;
const AT_ONCE: usize = 40;
const RATE: u32 = 200;

/// Each has a second address, with nobody there or one that hangs.
#[tokio::test(flavor = "multi_thread")]
async fn several_hundred_agents_some_of_which_misbehave() {
    let site = Site::new(Policy::Redux, 101, AGENTS, |settings| {
        settings.wakeup.at_once = AT_ONCE;
        settings.wakeup.rate = RATE;
    })
    .await;
    let trap = site.address(5000);
    site.agents.add(trap, Manner::Obeys).await;
    let manner = |id| match id % 10 {
        0 => Manner::Hangs,
        1 => Manner::Refuses,
        2 => Manner::Redirects(trap),
        3 => Manner::Babbles,
        4 => Manner::Foreign,
        _ => Manner::Obeys,
    };
    for id in 1..=AGENTS {
        site.agents.add(site.address(id), manner(id)).await;
    }
    // Every twentieth of those that obey has an address where somebody hangs, all others one with nobody.
    for id in (5..=AGENTS).step_by(20) {
        let second = site.address(1000 + id);
        site.agents.add(second, Manner::Hangs).await;
    }
    site.known(AGENTS).await;
    let both = |id| [site.address(1000 + id), site.address(id)].map(|address| (id, address));
    site.at((1..=AGENTS).flat_map(both)).await;

    let begun = Instant::now();
    let summary = site.app.wakeup().pass().await.unwrap();
    let took = begun.elapsed();

    assert_eq!(
        summary.to_string(),
        "1 tasks, 400 agents asked: 200 awake, 40 refused, 160 unreachable; 0 skipped; 40 agents refuse to be woken up from 127.0.0.1: \
         they obey the addresses of their server's name and those in their httpd-trust"
    );
    let asked = site.asked();
    for id in 1..=AGENTS {
        let times = asked.iter().filter(|(asked, _)| *asked == id).count();
        assert_eq!(times, 1, "agent {id}");
    }
    assert!(asked.iter().all(|(id, _)| *id != 5000), "{asked:?}");
    // The system's buffers hold some of what is not read.
    let babbled = site.agents.babbled();
    assert!(babbled < 40 * 1_000_000, "{babbled}");
    let most = site.agents.most_open();
    assert!(most <= AT_ONCE, "{most}");
    let moments = site.agents.moments();
    for (index, first) in moments.iter().enumerate() {
        let second = moments[index..]
            .iter()
            .take_while(|moment| moment.duration_since(*first) < Duration::from_secs(1))
            .count();
        assert!(second <= RATE as usize * 5 / 4, "{second} in a second");
    }
    // 800 addresses, but for the second ones of those that had answered.
    let least = Duration::from_secs(u64::from(AGENTS)) / RATE;
    assert!(took >= least && took < Duration::from_secs(20), "{took:?}");
}

/// Whoever hangs has a place until the time for an answer is over.
#[tokio::test(flavor = "multi_thread")]
async fn so_many_at_once_and_no_more() {
    let site = Site::new(Policy::Redux, 122, 30, |settings| {
        settings.wakeup.at_once = 10;
        settings.wakeup.rate = 1000;
    });
    let site = site.await.with(&[Manner::Hangs; 30]).await;
    let begun = Instant::now();
    let (asked, said) = site.pass().await;
    assert_eq!(asked.len(), 30, "{said}");
    assert!(begun.elapsed() >= Duration::from_secs(3));
    // One that was just given up may still look open to the other side.
    let most = site.agents.most_open();
    assert!((8..=15).contains(&most), "{most}");
}

/// However many are asked and hang, those that obey need not wait for them.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_address_that_answers_ends_the_others() {
    let site = Site::new(Policy::Redux, 102, 1, |settings| {
        settings.wakeup.timeout = Duration::from_secs(20);
    })
    .await;
    let site = site.with(&[Manner::Obeys]).await;
    for number in 2..=4 {
        site.agents.add(site.address(number), Manner::Hangs).await;
    }
    site.at((2..=4).map(|number| (1, site.address(number))))
        .await;
    let begun = Instant::now();
    let (asked, said) = site.pass().await;
    assert!(said.contains("1 agents asked: 1 awake"), "{said}");
    assert!(asked.contains(&(1, "/now/tok1".to_owned())), "{asked:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

//! What users type, and dice that are fair, repeat, and stop.

use super::*;

fn error(text: &str) -> String {
    let error = text.parse::<Faults>().expect_err(text);
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    error.to_string()
}

fn dice(seed: u64, faults: &Faults) -> (Dice, Injected) {
    let injected = Injected::default();
    (Dice::new(seed, faults, injected.clone()), injected)
}

#[test]
fn a_list_says_how_likely_and_how_often() {
    let faults: Faults = "short=0.2, eintr=0.05:100 ,reset=1:0".parse().unwrap();
    assert_eq!(faults.probability(Fault::Short), 0.2);
    assert_eq!(faults.most(Fault::Short), u64::MAX);
    assert_eq!((faults.probability(Fault::Interrupted), faults.most(Fault::Interrupted)), (0.05, 100));
    assert!(!faults.may(Fault::Reset), "its budget is zero");
    assert!(!faults.may(Fault::Aborted), "it is not named");
}

#[test]
fn a_word_comes_first_and_what_follows_changes_it() {
    assert_eq!("none".parse::<Faults>().unwrap(), Faults::none());
    assert_eq!("unseen".parse::<Faults>().unwrap(), Faults::unseen());
    assert_eq!("default".parse::<Faults>().unwrap(), Faults::default());
    let changed: Faults = "default,reset=0".parse().unwrap();
    assert_eq!(changed, Faults::default().with(Fault::Reset, 0.0));
    assert_eq!(error("short=1,unseen"), "unseen can only be the first item: what follows changes it");
}

#[test]
fn what_is_shown_means_the_same() {
    let lists =
        ["none", "short=0.25", "eintr=0.05:100,reset=0.001", "spurious=0:7", "emfile=1:18446744073709551615"];
    for list in lists {
        assert_eq!(list.parse::<Faults>().unwrap().to_string(), list);
    }
    for faults in [Faults::none(), Faults::unseen(), Faults::default(), Faults::default_of_engines()] {
        assert_eq!(faults.to_string().parse::<Faults>().unwrap(), faults);
    }
    assert_eq!("short=-0.0".parse::<Faults>().unwrap().to_string(), "none");
}

#[test]
fn what_is_wrong_with_a_list_is_said_in_a_line() {
    assert_eq!(
        error("shrot=1"),
        "unknown fault \"shrot\": one of short, eintr, spurious, emfile, aborted, enobufs, reset, early, late, half, \
         signal"
    );
    assert_eq!(
        error("short=often"),
        "probability \"often\" of fault short is not a number: give one in 0..=1"
    );
    assert_eq!(error("short=1.5"), "probability 1.5 of fault short is outside 0..=1");
    assert_eq!(error("short=-0.1"), "probability -0.1 of fault short is outside 0..=1");
    assert_eq!(error("short=NaN"), "probability NaN of fault short is outside 0..=1");
    assert_eq!(error("short"), "fault short has no probability: give one in 0..=1, as in short=0.1");
    assert_eq!(error("short=0.1,short=0.2"), "fault short is given twice; give it once");
    assert_eq!(
        error("reset=0.1:-1"),
        "budget \"-1\" of fault reset is not a whole number: give how often at most"
    );
    assert_eq!(error(" "), "no fault is named: give none, unseen, default or a list such as short=0.2");
    assert!(error("short=0.1,").starts_with("unknown fault \"\""));
}

#[test]
#[should_panic(expected = "the probability of reset is 2, not in 0..=1")]
fn a_probability_is_a_probability() {
    drop(Faults::none().with(Fault::Reset, 2.0));
}

#[test]
fn every_name_is_the_faults_own() {
    for fault in Fault::ALL {
        assert_eq!(fault.name().parse::<Fault>().unwrap(), fault);
        assert!(Faults::default().may(fault), "{fault} is one of the default");
        assert_eq!(Faults::default_of_engines().may(fault), !fault.is_simulated());
        assert_eq!(Faults::unseen().may(fault), fault.is_unseen());
        assert_eq!(
            Faults::none().most(fault) == u64::MAX,
            fault.is_unseen(),
            "{fault} has a budget if it is seen"
        );
    }
}

#[test]
fn a_seed_decides() {
    let faults = Faults::unseen();
    let rolls = |seed| {
        let mut dice = dice(seed, &faults).0;
        (0..200).map(|_| dice.roll(Fault::Short)).collect::<Vec<_>>()
    };
    assert_eq!(rolls(1), rolls(1));
    assert_ne!(rolls(1), rolls(2));
}

#[test]
fn what_cannot_happen_takes_no_number() {
    let faults = Faults::none().with(Fault::Short, 0.5).with(Fault::Reset, 0.5).budget(Fault::Reset, 0);
    let (mut one, mut other) = (dice(7, &faults).0, dice(7, &faults).0);
    for _ in 0..200 {
        assert!(!one.roll(Fault::Aborted) && !one.roll(Fault::Reset));
        assert_eq!(one.roll(Fault::Short), other.roll(Fault::Short));
    }
}

#[test]
fn as_often_as_is_likely_and_no_oftener_than_the_budget() {
    let faults = Faults::none().with(Fault::Short, 0.2).with(Fault::Reset, 1.0).budget(Fault::Reset, 3);
    let (mut dice, injected) = dice(3, &faults);
    for _ in 0..10_000 {
        dice.roll(Fault::Short);
        dice.roll(Fault::Reset);
    }
    assert!((1_850..2_150).contains(&injected.count(Fault::Short)), "{injected}");
    assert_eq!(injected.count(Fault::Reset), 3);
    assert_eq!(injected.to_string(), format!("short {}, reset 3", injected.count(Fault::Short)));
    assert_eq!(injected.total(), injected.count(Fault::Short) + 3);
}

#[test]
fn certain_is_always_and_every_number_has_its_turn() {
    let mut dice = dice(5, &Faults::none().with(Fault::Spurious, 1.0)).0;
    assert!((0..1_000).all(|_| dice.roll(Fault::Spurious)));
    let mut met = [false; 6];
    (0..1_000).for_each(|_| met[dice.below(6)] = true);
    assert_eq!(met, [true; 6]);
}

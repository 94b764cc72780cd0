//! Servers on a simulated network: programs that say what must be true of them, brought about by seeds.
//!
//! They run on what real servers run on, down to the engine; only the network below is played. Where nothing goes wrong
//! but what no correct program notices, every byte, client and moment is accounted for (`unseen`). Where everything does,
//! a client that tries again gets there, a server lives on, and nobody hangs (`survival`). How many seeds there are, and
//! how to repeat one: `simulated_server/seeds.rs`. `tests/planted` proves that these find what is planted.

#[path = "simulated_server/answers.rs"]
mod answers;
#[path = "simulated_server/chatting.rs"]
mod chatting;
#[path = "simulated_server/echo.rs"]
mod echo;
#[path = "simulated_server/ending.rs"]
mod ending;
#[path = "simulated_server/giving_up.rs"]
mod giving_up;
#[path = "simulated_server/seeds.rs"]
mod seeds;
#[path = "simulated_server/survival.rs"]
mod survival;
#[path = "simulated_server/tasks.rs"]
mod tasks;

/// A test for each scenario.
macro_rules! scenarios {
    ($($module:ident::$name:ident,)*) => {
        $(
            #[test]
            fn $name() {
                seeds::with_every_seed(stringify!($name), $module::$name);
            }
        )*
    };
}

scenarios! {
    echo::what_is_echoed_is_what_was_sent,
    answers::every_question_is_answered_to_its_end,
    giving_up::receives_that_are_given_up_lose_nothing,
    giving_up::accepts_that_are_given_up_lose_nobody,
    giving_up::sends_that_are_given_up_are_whole_or_not_at_all,
    ending::only_the_idle_are_ended,
    ending::who_has_come_before_the_drain_is_served,
    tasks::questions_passed_on_are_answered,
    tasks::nobody_is_woken_early,
    tasks::everybody_has_their_turn,
    survival::who_tries_again_is_served,
    chatting::what_one_says_all_others_hear_in_order,
    chatting::who_reads_too_slowly_is_dropped,
    chatting::nobody_hangs_whatever_goes_wrong,
}

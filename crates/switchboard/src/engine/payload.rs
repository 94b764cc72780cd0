//! What a panic throws, where nobody wants it.
//!
//! It is dropped where that cannot run a user's code; what else it may be is leaked, for its destructor could panic in
//! turn, with a payload whose destructor panics, and so on.

use std::any::Any;
use std::mem;

/// Gets rid of what a panic threw, and never panics.
pub(crate) fn discard_payload(payload: Box<dyn Any + Send>) {
    // All that `panic!` ever throws. Only `panic_any` and `resume_unwind` throw other things.
    let is_text = payload.is::<&'static str>() || payload.is::<String>();
    if is_text {
        drop(payload);
    } else {
        mem::forget(payload);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use allocation_counter::measure;

    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn texts_leave_nothing_behind() {
        let literal = measure(|| discard_payload(Box::new("literal")));
        assert_eq!((literal.count_total, literal.count_current), (1, 0));
        let formatted = measure(|| discard_payload(Box::new("formatted".to_owned())));
        assert_eq!((formatted.count_total, formatted.count_current), (2, 0));
        let thrown = catch_unwind(|| panic!("{}", 7)).unwrap_err();
        assert!(thrown.is::<String>(), "what `panic!` formats is no longer thrown as a String");
    }

    #[test]
    fn destructors_of_users_are_not_run() {
        discard_payload(Box::new(Bomb));
    }
}

//! What a layer above keeps with a loop, and what is told when the loop ends.

use std::any::Any;
use std::rc::Rc;
use std::task::Waker;

use super::EventLoop;

/// A value that belongs to one loop: made when it is first asked for, there until the loop ends.
pub(crate) trait Local: Any {
    /// The loop ends: the last moment at which it can be used. A panic in it is reported.
    fn end(&self, event_loop: &EventLoop);

    /// Tells which wakers it keeps, and what whoever has one waits for: `waits for …`. No user code may be called here.
    fn waiting(&self, tell: &mut dyn FnMut(&Waker, String)) {
        let _ = tell;
    }
}

impl EventLoop {
    /// The loop's value of this type.
    pub(crate) fn local<T: Local + Default>(&self) -> Rc<T> {
        let mut locals = self.core.locals.borrow_mut();
        for local in locals.iter() {
            let any: Rc<dyn Any> = Rc::<dyn Local>::clone(local);
            if let Ok(found) = any.downcast() {
                return found;
            }
        }
        let made = Rc::new(T::default());
        locals.push(Rc::<T>::clone(&made));
        made
    }
}

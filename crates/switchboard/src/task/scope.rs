//! Scopes: tasks that end before their parent goes on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::canceller::Canceller;
use super::future::TaskFuture;
use super::spawn::{current, message, start};

/// Where the children of a [`scope`] are spawned.
#[derive(Default)]
pub struct Scope {
    family: Rc<Family>,
}

#[derive(Default)]
struct Family {
    children: RefCell<BTreeMap<u64, Option<Canceller>>>,
    count: Cell<u64>,
    parent: RefCell<Option<Waker>>,
}

/// Runs `body`, waits until all it spawned in its [`Scope`] has ended, and then returns what it returned.
///
/// ```
/// switchboard::run(async {
///     switchboard::scope(async |scope| {
///         for name in ["one", "two"] {
///             scope.spawn(async move { println!("{name}") });
///         }
///     })
///     .await; // here both have been printed
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// *Cancel safety.* Dropping it cancels all its children, as does a panic of `body`.
pub async fn scope<R>(body: impl AsyncFnOnce(&Scope) -> R) -> R {
    let scope = Scope::default();
    let result = body(&scope).await;
    scope.family.ended().await;
    result
}

impl Scope {
    /// Spawns a child. As nobody awaits it, its failure is reported when it ends; the others go on.
    ///
    /// # Panics
    ///
    /// When no loop runs this code.
    #[track_caller]
    pub fn spawn<F>(&self, future: F)
    where
        F: TaskFuture + 'static,
        F::Output: 'static,
    {
        let number = self.family.count.replace(self.family.count.get() + 1);
        self.family.children.borrow_mut().insert(number, None);
        let counted = Counted { family: Rc::clone(&self.family), number };
        let child = Child { future, _counted: counted };
        let task = start(&current("Scope::spawn"), None, Location::caller(), child, message::<F>);
        if let Some(canceller) = self.family.children.borrow_mut().get_mut(&number) {
            *canceller = task.canceller();
        }
        task.detach();
    }

    /// How many children have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.family.children.borrow().len()
    }

    /// Whether all children have ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Cancels all children. More can be spawned.
    pub fn cancel(&self) {
        let children: Vec<_> = self.family.children.borrow().values().flatten().cloned().collect();
        for child in children {
            child.cancel();
        }
    }
}

impl Family {
    /// Waits until no child is left.
    async fn ended(&self) {
        poll_fn(|cx| {
            if self.children.borrow().is_empty() {
                return Poll::Ready(());
            }
            let old = self.parent.replace(Some(cx.waker().clone()));
            drop(old);
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        self.cancel();
    }
}

pin_project! {
    /// A child's future; dropped, it is counted no more.
    struct Child<F> {
        #[pin]
        future: F,
        _counted: Counted,
    }
}

impl<F: Future> Future for Child<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

/// What a child is counted by.
struct Counted {
    family: Rc<Family>,
    number: u64,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.family.children.borrow_mut().remove(&self.number);
        let parent = self.family.parent.take();
        if let Some(parent) = parent {
            parent.wake();
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("children", &self.len()).finish()
    }
}

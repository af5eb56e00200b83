//! Puts finished batches back in the order in which they left the queue, whichever worker is done first.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::Sender;

use crate::domain::Featurized;

/// The way out of the pool, shared by its workers.
pub(crate) struct Order {
    out: Sender<Featurized>,
    state: Mutex<State>,
    moved: Condvar,
    /// How far ahead of the slowest batch a worker may run.
    window: u64,
}

struct State {
    next: u64,
    done: BTreeMap<u64, Vec<Featurized>>,
    /// Nobody listens any more.
    closed: bool,
}

impl Order {
    /// Batches come out from number 0 on; at most `window` of them wait for an earlier one.
    pub(crate) fn new(out: Sender<Featurized>, window: u64) -> Arc<Order> {
        let state = Mutex::new(State { next: 0, done: BTreeMap::new(), closed: false });
        Arc::new(Order { out, state, moved: Condvar::new(), window: window.max(1) })
    }

    /// Stands for a batch until it is delivered. One that is dropped instead counts as empty: the order goes on.
    pub(crate) fn ticket(self: &Arc<Self>, number: u64) -> Ticket {
        Ticket { order: Arc::clone(self), number, delivered: false }
    }

    fn deliver(&self, number: u64, looks: Vec<Featurized>) -> bool {
        let mut state = self.lock();
        // The batch that all wait for never waits here, so somebody always moves on.
        while number >= state.next + self.window && !state.closed {
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.done.insert(number, looks);
        loop {
            let next = state.next;
            let Some(looks) = state.done.remove(&next) else { break };
            state.next += 1;
            for look in looks {
                // A full channel is waited for under the lock: the other workers have nowhere to put theirs either.
                state.closed = self.out.send(look).is_err() || state.closed;
            }
        }
        let open = !state.closed;
        drop(state);
        self.moved.notify_all();
        open
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the order.
pub(crate) struct Ticket {
    order: Arc<Order>,
    number: u64,
    delivered: bool,
}

impl Ticket {
    /// Hands the batch on, with every earlier one that waits no longer; false where nobody listens any more.
    pub(crate) fn deliver(mut self, looks: Vec<Featurized>) -> bool {
        self.delivered = true;
        self.order.deliver(self.number, looks)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.delivered {
            self.order.deliver(self.number, Vec::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::infer::tiny;

    fn numbered(number: u64) -> Vec<Featurized> {
        vec![Featurized { look: tiny::look("order", number, 0), embeddings: Vec::new() }]
    }

    #[test]
    fn batches_leave_in_order_and_a_dropped_one_does_not_hold_the_rest() {
        let (out, done) = crossbeam_channel::unbounded();
        let order = Order::new(out, 8);
        let tickets: Vec<_> = (0..6).map(|n| order.ticket(n)).collect();
        for (n, ticket) in tickets.into_iter().enumerate().rev() {
            match n {
                3 => drop(ticket),
                _ => assert!(ticket.deliver(numbered(n as u64))),
            }
        }
        let order: Vec<u64> = done.try_iter().map(|it| it.look.frame.number).collect();
        assert_eq!(order, [0, 1, 2, 4, 5]);
    }

    #[test]
    fn a_worker_far_ahead_waits_for_the_slow_one_and_a_closed_end_frees_all() {
        let (out, done) = crossbeam_channel::unbounded();
        let order = Order::new(out, 2);
        thread::scope(|scope| {
            let ahead = scope.spawn(|| order.ticket(2).deliver(numbered(2)));
            assert!(order.ticket(1).deliver(numbered(1)), "within the window");
            assert!(done.is_empty());
            assert!(order.ticket(0).deliver(numbered(0)));
            assert!(ahead.join().unwrap());
        });
        assert_eq!(done.try_iter().map(|it| it.look.frame.number).collect::<Vec<_>>(), [0, 1, 2]);
        drop(done);
        assert!(!order.ticket(3).deliver(numbered(3)), "nobody listens");
        assert!(!order.ticket(9).deliver(numbered(9)), "and nobody waits for ever");
    }
}

//! The same work on several parts, on as many threads as there are cores; what comes out does not depend on how many.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crossbeam_channel::bounded;

/// `work` of each of 0..`n`, in that order. Each part is done by one thread from beginning to end.
pub fn side_by_side<T: Send>(n: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    on_threads(threads, n, work)
}

fn on_threads<T: Send>(threads: usize, n: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    if threads.min(n) < 2 {
        return (0..n).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::with_capacity(n));
    // A panic in a part is passed on by the scope.
    thread::scope(|scope| {
        for _ in 0..threads.min(n) {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= n {
                        break;
                    }
                    let it = work(i);
                    done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((i, it));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    done.sort_by_key(|it| it.0);
    done.into_iter().map(|it| it.1).collect()
}

/// Hands items to `workers` threads, each with its own tools that `open` makes; `then` gets what comes of them, as it comes.
/// The first error ends it.
pub fn handed_out<I, W, T, E, F>(
    workers: usize,
    items: Vec<I>,
    open: impl Fn() -> Result<W, E> + Sync,
    work: impl Fn(&mut W, I) -> Result<T, E> + Sync,
    mut then: impl FnMut(T) -> Result<(), F>,
) -> Result<(), F>
where
    I: Send,
    T: Send,
    E: Send,
    F: From<E>,
{
    let (asked_in, asked) = bounded::<I>(workers);
    let (done_in, done) = bounded::<Result<T, E>>(workers);
    thread::scope(|scope| {
        for _ in 0..workers {
            let (asked, done_in, open, work) = (asked.clone(), done_in.clone(), &open, &work);
            scope.spawn(move || {
                let mut tools = match open() {
                    Ok(tools) => tools,
                    Err(error) => return drop(done_in.send(Err(error))),
                };
                for item in asked {
                    if done_in.send(work(&mut tools, item)).is_err() {
                        return;
                    }
                }
            });
        }
        drop((asked, done_in));
        scope.spawn(move || {
            for item in items {
                if asked_in.send(item).is_err() {
                    return;
                }
            }
        });
        for it in done {
            then(it?)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_threads_there_are_the_parts_come_in_order() {
        let squares: Vec<usize> = (0..100).map(|i| i * i).collect();
        for threads in [1, 2, 7, 200] {
            assert_eq!(on_threads(threads, 100, |i| i * i), squares, "{threads} threads");
        }
        assert!(on_threads(4, 0, |i| i).is_empty());
    }

    #[test]
    fn what_is_handed_out_comes_back_once_and_an_error_ends_it() {
        let (mut back, opened) = (Vec::new(), AtomicUsize::new(0));
        let open = || Ok::<usize, String>(opened.fetch_add(1, Ordering::Relaxed));
        let double = |_: &mut usize, it: usize| Ok(2 * it);
        let put = |it| {
            back.push(it);
            Ok::<(), String>(())
        };
        handed_out(3, (0..50).collect(), open, double, put).unwrap();
        back.sort_unstable();
        assert_eq!(back, (0..50).map(|it| 2 * it).collect::<Vec<_>>());
        assert_eq!(opened.load(Ordering::Relaxed), 3);
        let torn = |_: &mut usize, it: usize| if it == 7 { Err("torn".to_owned()) } else { Ok(it) };
        assert_eq!(handed_out(2, (0..50).collect(), open, torn, |_| Ok::<(), String>(())), Err("torn".into()));
        let closed = || Err::<usize, _>("no tools".to_owned());
        assert_eq!(handed_out(2, vec![1], closed, double, |_| Ok::<(), String>(())), Err("no tools".into()));
    }
}

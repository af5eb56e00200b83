//! Who guesses tokens is slowed: after a few wrong ones an address waits, twice as long after each further one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong tokens before the first wait: people mistype.
const FREE: u32 = 3;
/// The first wait; it doubles …
const FIRST: Duration = Duration::from_secs(1);
/// … up to this.
const LONGEST: Duration = Duration::from_secs(60);
/// After this without a wrong one an address begins anew.
const FORGOTTEN: Duration = Duration::from_secs(600);
/// Addresses that are remembered; the one that was wrong the longest ago makes room.
const MAX_ADDRESSES: usize = 1024;

/// Where wrong tokens came from lately.
#[derive(Debug, Default)]
pub(super) struct Slowed(Mutex<HashMap<IpAddr, Wrong>>);

#[derive(Debug)]
struct Wrong {
    times: u32,
    last: Instant,
}

impl Wrong {
    fn wait(&self) -> Duration {
        let doubled =
            self.times.checked_sub(FREE).map(|it| FIRST.saturating_mul(1_u32.checked_shl(it).unwrap_or(u32::MAX)));
        doubled.map_or(Duration::ZERO, |it| it.min(LONGEST))
    }
}

impl Slowed {
    /// Seconds that an address must wait before the next token of its is looked at, the right one too.
    pub(super) fn wait_secs(&self, address: IpAddr) -> Option<u64> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = all.get(&network(address))?;
        let left = wrong.wait().checked_sub(wrong.last.elapsed()).filter(|it| !it.is_zero())?;
        Some(left.as_secs() + 1)
    }

    /// Takes down a wrong token.
    pub(super) fn wrong(&self, address: IpAddr) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, it| it.last.elapsed() < FORGOTTEN);
        let address = network(address);
        if all.len() >= MAX_ADDRESSES
            && !all.contains_key(&address)
            && let Some(oldest) = all.iter().min_by_key(|it| it.1.last).map(|it| *it.0)
        {
            all.remove(&oldest);
        }
        let wrong = all.entry(address).or_insert(Wrong { times: 0, last: Instant::now() });
        (wrong.times, wrong.last) = (wrong.times.saturating_add(1), Instant::now());
    }

    /// Forgets an address whose token was right.
    pub(super) fn right(&self, address: IpAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&network(address));
    }
}

/// Whoever has one address of version 6 has the other 2^64 of its network, too.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(it) => IpAddr::V6(Ipv6Addr::from_bits(it.to_bits() >> 64 << 64)),
        it => it,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn wrong_tokens_make_an_address_wait_and_no_other() {
        let (slowed, here): (_, IpAddr) = (Slowed::default(), "192.0.2.1".parse().unwrap());
        (0..FREE - 1).for_each(|_| slowed.wrong(here));
        assert_eq!(slowed.wait_secs(here), None);
        slowed.wrong(here);
        assert_eq!(slowed.wait_secs(here), Some(1));
        (0..40).for_each(|_| slowed.wrong(here));
        assert_eq!(slowed.wait_secs(here), Some(60));
        assert_eq!(slowed.wait_secs("192.0.2.2".parse().unwrap()), None);
        assert!(slowed.wait_secs("::ffff:192.0.2.1".parse().unwrap()).is_some(), "the same by another name");
        slowed.right(here);
        assert_eq!(slowed.wait_secs(here), None);
        (0..FREE).for_each(|nth| slowed.wrong(format!("2001:db8::{nth}").parse().unwrap()));
        assert!(slowed.wait_secs("2001:db8::ffff".parse().unwrap()).is_some(), "its network");
    }

    #[test]
    fn the_table_is_bounded() {
        let slowed = Slowed::default();
        (0..5000_u32).for_each(|it| slowed.wrong(IpAddr::from(it.to_be_bytes())));
        assert_eq!(slowed.0.lock().unwrap().len(), MAX_ADDRESSES);
    }
}

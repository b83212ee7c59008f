//! How much one address may ask for.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::problem::Problem;

/// Addresses that are remembered at most; the longest silent are forgotten first.
const MOST: usize = 10_000;

/// A bucket of tokens for each address: `burst` at once, and one more each `period`.
#[derive(Debug)]
pub struct Rate {
    burst: u32,
    period: Duration,
    /// When each bucket would be full again.
    full: Mutex<HashMap<IpAddr, Duration>>,
}

impl Rate {
    pub fn new(burst: u32, period: Duration) -> Self {
        Rate { burst, period, full: Mutex::default() }
    }

    /// Takes one from the bucket of `address` at the time `now`.
    ///
    /// # Errors
    /// When it is empty, with the seconds until it is not.
    pub fn admit(&self, address: IpAddr, now: Duration) -> Result<(), Problem> {
        self.admit_unless(address, now, || false).map(|_| ())
    }

    /// The same, but takes nothing if `free` says so, which is asked only while there is something to take; its answer.
    ///
    /// # Errors
    /// As those of `admit`.
    pub fn admit_unless(
        &self,
        address: IpAddr,
        now: Duration,
        free: impl FnOnce() -> bool,
    ) -> Result<bool, Problem> {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let address = network(address);
        if full.len() >= MOST && !full.contains_key(&address) {
            full.retain(|_, at| *at > now);
        }
        if full.len() >= MOST && !full.contains_key(&address) {
            // All of them are busy: someone has many addresses.
            return Err(Problem::Busy);
        }
        let at = full.get(&address).copied().unwrap_or(now).max(now) + self.period;
        let over = at.saturating_sub(now + self.period * self.burst);
        if !over.is_zero() {
            return Err(Problem::TooMany { seconds: over.as_secs() + 1 });
        }
        let free = free();
        if !free {
            full.insert(address, at);
        }
        Ok(free)
    }
}

/// Whoever has one address of IPv6 has all of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_burst_and_then_one_each_period() {
        let rate = Rate::new(3, Duration::from_secs(10));
        let address = |text: &str| text.parse().expect("an address");
        let ask = |from: &str, at| rate.admit(address(from), Duration::from_secs(at));
        for _ in 0..3 {
            assert_eq!(ask("10.0.0.1", 100), Ok(()));
        }
        assert_eq!(ask("10.0.0.1", 100), Err(Problem::TooMany { seconds: 11 }));
        assert_eq!(ask("::ffff:10.0.0.1", 100), Err(Problem::TooMany { seconds: 11 }), "the same in IPv6");
        assert_eq!(ask("10.0.0.2", 100), Ok(()), "another address");
        assert_eq!(ask("10.0.0.1", 110), Ok(()));
        assert!(ask("10.0.0.1", 111).is_err());
        assert_eq!(ask("10.0.0.1", 1000), Ok(()));
        let right = |at| rate.admit_unless(address("10.0.0.3"), Duration::from_secs(at), || true);
        for _ in 0..9 {
            assert_eq!(right(2000), Ok(true), "what is free takes nothing");
        }
        for _ in 0..3 {
            assert_eq!(ask("10.0.0.3", 2000), Ok(()));
        }
        assert_eq!(right(2000), Err(Problem::TooMany { seconds: 11 }), "and is not asked of an empty one");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_no_number_of_them_fills_the_memory() {
        let rate = Rate::new(1, Duration::from_secs(10));
        let now = Duration::from_secs(1);
        let six = |network: u32, host: u16| {
            let high = (network >> 16) as u16;
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, high, network as u16, 0, 0, 0, host))
        };
        assert_eq!(rate.admit(six(1, 1), now), Ok(()));
        assert!(rate.admit(six(1, 2), now).is_err());
        for network in 2..=MOST as u32 {
            assert_eq!(rate.admit(six(network, 1), now), Ok(()));
        }
        assert_eq!(rate.admit(six(0xfffff, 1), now), Err(Problem::Busy));
        assert_eq!(rate.admit(six(0xfffff, 1), Duration::from_secs(20)), Ok(()), "the silent are forgotten");
    }
}

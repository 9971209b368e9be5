//! Divides records between packs at the border of a second. Packs that share no second cannot hold the same event, so
//! counting need not read them (`stats.rs`). An appliance can send several events in one second.

use crate::event::Timestamp;

/// How many of `items` to pack together, so that their last second is not divided. `items` are ordered by time, and
/// `next` follows them. If the last items share their second with `next`, these are left out. If less than half would
/// remain, all items are taken: packing must advance whatever the times are.
pub(super) fn of_whole_seconds<T>(items: &[T], next: Option<&T>, time: impl Fn(&T) -> Option<Timestamp>) -> usize {
    let Some(second) = next.and_then(&time) else { return items.len() };
    let shared = items.iter().rev().take_while(|item| time(item) == Some(second)).count();
    if shared > items.len() / 2 { items.len() } else { items.len() - shared }
}

#[cfg(test)]
mod tests {
    use super::of_whole_seconds;
    use crate::event::Timestamp;

    #[test]
    fn a_second_is_divided_only_if_less_than_half_would_remain() {
        let whole = |items: &[u64], next: Option<u64>| {
            let time = |second: &u64| Timestamp::parse(&second.to_string()).ok();
            of_whole_seconds(items, next.as_ref(), time)
        };
        assert_eq!(whole(&[1, 1, 2, 2], Some(3)), 4);
        assert_eq!(whole(&[1, 1, 2, 2], None), 4);
        assert_eq!(whole(&[1, 1, 2, 2], Some(2)), 2);
        assert_eq!(whole(&[1, 2, 2, 2], Some(2)), 4);
        assert_eq!(whole(&[2, 2], Some(2)), 2);
        assert_eq!(whole(&[], Some(2)), 0);
    }
}

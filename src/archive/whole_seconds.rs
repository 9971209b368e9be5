//! Where records are divided between packs: between two seconds, since packs that share none cannot hold the same event. So nobody who counts
//! needs to read either of them (`stats.rs`). An appliance sends several events in one second.

use crate::event::Timestamp;

/// How many of `items`, which are in the order of their times, are of earlier seconds than the one that the last of them shares with `next`.
/// All of them, if they share none, or if less than half of them would be left: packing must get on whatever the times are.
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
    fn a_second_is_divided_only_where_less_than_half_would_be_left() {
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

//! Collecting without sorting code: what trees and lists are made with in the component.

/// Gathers what there is one by one. A tree's own `collect` sorts first, and each kind of tree would bring a sort of its own into
/// the component.
pub(crate) fn gather<C: Default + Extend<T>, T>(all: impl IntoIterator<Item = T>) -> C {
    let mut gathered = C::default();
    all.into_iter().for_each(|one| gathered.extend([one]));
    gathered
}

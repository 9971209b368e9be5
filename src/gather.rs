//! Collects into trees and lists without the sorting code of `collect`, to keep the component small.

/// Adds the items one by one. A tree's own `collect` sorts first, and would compile a sort for each kind of tree.
pub(crate) fn gather<C: Default + Extend<T>, T>(all: impl IntoIterator<Item = T>) -> C {
    let mut gathered = C::default();
    all.into_iter().for_each(|one| gathered.extend([one]));
    gathered
}

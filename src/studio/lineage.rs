//! Runs as a tree: the order in which they are shown, and where each stands.

/// Where one of them stands. The last child goes on in its parent's column, so that a chain stays upright however long
/// it is; the other children begin a column to the right of it. Whoever stands in a column has somebody still to come
/// in every column to its left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub index: usize,
    /// From 0 on.
    pub column: usize,
    /// It begins this column: its parent stands in the one to the left.
    pub branches_off: bool,
    /// Its last child goes on in this column.
    pub goes_on: bool,
}

/// The places of all in the order they are shown: each before its children, and a child with all that came of it
/// before the next. `parents` names each one's parent, if it has one, by its index, which is below its own; a parent
/// that is not counts as none.
pub fn places(parents: &[Option<usize>]) -> Vec<Place> {
    let parent = |index: usize| parents[index].filter(|&parent| parent < index);
    let mut children = vec![Vec::new(); parents.len()];
    for index in 0..parents.len() {
        if let Some(parent) = parent(index) {
            children[parent].push(index);
        }
    }
    let mut places = Vec::with_capacity(parents.len());
    // What is still to be shown, the next on top. A list instead of recursion: a chain may be as long as it likes.
    let roots = (0..parents.len()).rev().filter(|&index| parent(index).is_none());
    let mut waiting: Vec<(usize, usize, bool)> = roots.map(|root| (root, 0, false)).collect();
    while let Some((index, column, branches_off)) = waiting.pop() {
        let last = children[index].pop();
        places.push(Place { index, column, branches_off, goes_on: last.is_some() });
        waiting.extend(last.map(|last| (last, column, false)));
        waiting.extend(children[index].drain(..).rev().map(|child| (child, column + 1, true)));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order with the columns, as `0 >1 2` for two below each other and one between them that branches off.
    fn shown(parents: &[Option<usize>]) -> String {
        let place = |place: &Place| {
            let (branch, end) = (if place.branches_off { ">" } else { "" }, if place.goes_on { "" } else { "." });
            format!("{}{branch}{}{end}", " ".repeat(place.column), place.index)
        };
        places(parents).iter().map(place).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn the_last_child_stays_in_its_parents_column() {
        assert_eq!(shown(&[]), "");
        assert_eq!(shown(&[None, Some(0), Some(1)]), "0|1|2.");
        assert_eq!(shown(&[None, Some(0), Some(0), Some(0)]), "0| >1.| >2.|3.");
        // What came of a branch stands before the next child.
        assert_eq!(shown(&[None, Some(0), Some(1), Some(0), Some(1), Some(2)]), "0| >1|  >2|  5.| 4.|3.");
    }

    #[test]
    fn trees_stand_one_below_the_other() {
        assert_eq!(shown(&[None, None, Some(0), Some(1)]), "0|2.|1|3.");
    }

    #[test]
    fn a_parent_that_is_not_older_is_none() {
        assert_eq!(shown(&[Some(1), Some(0), Some(2)]), "0|1.|2.");
    }

    #[test]
    fn a_very_long_chain_stays_upright() {
        let parents: Vec<_> = (0..200_000_usize).map(|index| index.checked_sub(1)).collect();
        let places = places(&parents);
        assert_eq!(places.len(), parents.len());
        assert!(places.iter().zip(0..).all(|(place, index)| place.index == index && place.column == 0));
    }
}

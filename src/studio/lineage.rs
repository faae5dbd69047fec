//! Runs as a tree: the order in which they are shown, and the column of each.

/// The position of one run. The last child stays in its parent's column, so that a chain of any length is a straight
/// line; other children start a column to the right. While a node is in a column, every column to its left continues
/// below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// The run's index in the input.
    pub index: usize,
    /// From 0.
    pub column: usize,
    /// The node starts this column; its parent is in the column to the left.
    pub branches_off: bool,
    /// The node's last child continues in this column.
    pub continues: bool,
}

/// Lays out a forest, depth first: a node comes before its children, and a child's descendants before the next child.
/// `parents[i]` is the index of node `i`'s parent and less than `i`; other values count as no parent.
pub fn layout(parents: &[Option<usize>]) -> Vec<Node> {
    let parent = |index: usize| parents[index].filter(|&parent| parent < index);
    let mut children = vec![Vec::new(); parents.len()];
    for index in 0..parents.len() {
        if let Some(parent) = parent(index) {
            children[parent].push(index);
        }
    }
    let mut nodes = Vec::with_capacity(parents.len());
    // A stack instead of recursion, because a chain can be very long.
    let roots = (0..parents.len()).rev().filter(|&index| parent(index).is_none());
    let mut stack: Vec<(usize, usize, bool)> = roots.map(|root| (root, 0, false)).collect();
    while let Some((index, column, branches_off)) = stack.pop() {
        let last = children[index].pop();
        nodes.push(Node { index, column, branches_off, continues: last.is_some() });
        stack.extend(last.map(|last| (last, column, false)));
        stack.extend(children[index].drain(..).rev().map(|child| (child, column + 1, true)));
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One entry per node: indented by its column, `>` where a column starts, `.` where it ends.
    fn shown(parents: &[Option<usize>]) -> String {
        let node = |node: &Node| {
            let (branch, end) = (if node.branches_off { ">" } else { "" }, if node.continues { "" } else { "." });
            format!("{}{branch}{}{end}", " ".repeat(node.column), node.index)
        };
        layout(parents).iter().map(node).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn the_last_child_stays_in_its_parents_column() {
        assert_eq!(shown(&[]), "");
        assert_eq!(shown(&[None, Some(0), Some(1)]), "0|1|2.");
        assert_eq!(shown(&[None, Some(0), Some(0), Some(0)]), "0| >1.| >2.|3.");
        // The descendants of a branch come before the next child.
        assert_eq!(shown(&[None, Some(0), Some(1), Some(0), Some(1), Some(2)]), "0| >1|  >2|  5.| 4.|3.");
    }

    #[test]
    fn trees_follow_each_other() {
        assert_eq!(shown(&[None, None, Some(0), Some(1)]), "0|2.|1|3.");
    }

    #[test]
    fn a_parent_with_a_larger_index_is_ignored() {
        assert_eq!(shown(&[Some(1), Some(0), Some(2)]), "0|1.|2.");
    }

    #[test]
    fn a_very_long_chain_stays_in_one_column() {
        let parents: Vec<_> = (0..200_000_usize).map(|index| index.checked_sub(1)).collect();
        let nodes = layout(&parents);
        assert_eq!(nodes.len(), parents.len());
        assert!(nodes.iter().zip(0..).all(|(node, index)| node.index == index && node.column == 0));
    }
}

//! Ranks by the longest path, and invisible nodes where an edge passes a layer.

/// Long edges get no invisible nodes beyond so many; they are then drawn across what lies between.
const INVISIBLE_MAX: usize = 20_000;

/// A graph whose edges all go to the next layer.
#[derive(Debug)]
pub(super) struct Ranked {
    /// The layer of each node; tasks first, then invisible nodes.
    pub(super) ranks: Vec<usize>,
    /// The neighbours of each node in the layer before.
    pub(super) before: Vec<Vec<usize>>,
    /// The neighbours of each node in the layer after.
    pub(super) after: Vec<Vec<usize>>,
    /// For each edge the nodes that it passes, ends included.
    pub(super) chains: Vec<Vec<usize>>,
}

pub(super) fn rank(tasks: usize, edges: &[(usize, usize)]) -> Ranked {
    let mut ranks = longest_paths(tasks, edges);
    let mut chains = Vec::with_capacity(edges.len());
    for &(from, to) in edges {
        let mut chain = vec![from];
        let between = (ranks[from] + 1)..ranks[to];
        if ranks.len() + between.len() <= tasks + INVISIBLE_MAX {
            for rank in between {
                chain.push(ranks.len());
                ranks.push(rank);
            }
        }
        chain.push(to);
        chains.push(chain);
    }
    let (mut before, mut after) = (vec![Vec::new(); ranks.len()], vec![Vec::new(); ranks.len()]);
    for pair in chains.iter().flat_map(|chain| chain.windows(2)) {
        let (from, to) = (pair[0], pair[1]);
        after[from].push(to);
        before[to].push(from);
    }
    Ranked { ranks, before, after, chains }
}

/// How many edges at most lead to each task. A DAG has no cycle; nodes of one would stay at 0.
fn longest_paths(tasks: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let (mut ranks, mut open) = (vec![0; tasks], vec![0_usize; tasks]);
    let mut below = vec![Vec::new(); tasks];
    for &(from, to) in edges {
        below[from].push(to);
        open[to] += 1;
    }
    let mut ready: Vec<usize> = (0..tasks).filter(|&task| open[task] == 0).collect();
    while let Some(task) = ready.pop() {
        for &next in &below[task] {
            ranks[next] = ranks[next].max(ranks[task] + 1);
            open[next] -= 1;
            if open[next] == 0 {
                ready.push(next);
            }
        }
    }
    ranks
}

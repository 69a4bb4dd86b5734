//! The layout of a DAG's graph: layers from left to right, few crossings, straight lines.
//!
//! Pure: tasks and edges in, places out (layered drawing after Sugiyama: ranks by longest path,
//! invisible nodes on long edges, barycentres for the order, least squares for the height).

mod order;
mod place;
mod rank;

#[cfg(test)]
mod tests;

use millrace_core::dag::Dag;
use serde::Serialize;

/// The size of a task's box, and the space between boxes.
const WIDTH: u32 = 200;
const HEIGHT: u32 = 52;
const GAP_X: u32 = 70;
const GAP_Y: u32 = 22;
const MARGIN: u32 = 10;

/// A graph with places.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layout {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) nodes: Vec<NodeShape>,
    pub(crate) edges: Vec<EdgeShape>,
}

/// A task in its place; `x` and `y` are the upper left corner.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct NodeShape {
    pub(crate) id: String,
    label: String,
    operator: String,
    trigger_rule: &'static str,
    pub(crate) x: u32,
    pub(crate) y: u32,
    w: u32,
    h: u32,
}

/// An edge as corners of a line, from the right side of a box to the left side of another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct EdgeShape {
    from: String,
    to: String,
    pub(crate) points: Vec<[u32; 2]>,
}

impl Layout {
    /// Lays a DAG out; the same DAG always in the same way.
    pub(crate) fn of(dag: &Dag) -> Self {
        let edges: Vec<(usize, usize)> = (0..dag.tasks.len())
            .flat_map(|task| dag.downstream(task).into_iter().map(move |below| (task, below)))
            .collect();
        let drawing = Drawing::of(dag.tasks.len(), &edges);
        let nodes = dag.tasks.iter().enumerate().map(|(index, task)| NodeShape {
            id: task.task_id.to_string(),
            label: task.display_name().to_owned(),
            operator: task.operator.clone(),
            trigger_rule: task.trigger_rule.as_str(),
            x: drawing.x(index),
            y: drawing.centres[index] - HEIGHT / 2,
            w: WIDTH,
            h: HEIGHT,
        });
        let name = |index: usize| dag.tasks[index].task_id.to_string();
        let lines = edges.iter().zip(&drawing.chains).map(|(&(from, to), chain)| EdgeShape {
            from: name(from),
            to: name(to),
            points: drawing.points(chain),
        });
        Self {
            width: drawing.width,
            height: drawing.height,
            nodes: nodes.collect(),
            edges: lines.collect(),
        }
    }
}

/// Places by number: tasks first, then the invisible nodes of long edges.
#[derive(Debug)]
struct Drawing {
    ranks: Vec<usize>,
    /// The heights of the middles.
    centres: Vec<u32>,
    /// For each edge the nodes that it passes, ends included.
    chains: Vec<Vec<usize>>,
    width: u32,
    height: u32,
}

impl Drawing {
    fn of(tasks: usize, edges: &[(usize, usize)]) -> Self {
        let ranked = rank::rank(tasks, edges);
        let layers = order::order(&ranked);
        let is_task = |node: usize| node < tasks;
        let centres = place::place(&ranked, &layers, is_task);
        let columns = u32::try_from(layers.len()).unwrap_or(u32::MAX);
        let lowest = centres[..tasks].iter().max().map_or(0, |centre| centre + HEIGHT / 2);
        Self {
            width: 2 * MARGIN + (columns * (WIDTH + GAP_X)).saturating_sub(GAP_X),
            height: lowest.max(centres.iter().max().copied().unwrap_or(0)) + MARGIN,
            ranks: ranked.ranks,
            chains: ranked.chains,
            centres,
        }
    }

    fn x(&self, node: usize) -> u32 {
        MARGIN + u32::try_from(self.ranks[node]).unwrap_or(0) * (WIDTH + GAP_X)
    }

    /// Level through each layer, and across in the middle of the gaps.
    fn points(&self, chain: &[usize]) -> Vec<[u32; 2]> {
        let mut points: Vec<[u32; 2]> = Vec::new();
        for pair in chain.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            let (from, to) = (self.x(a) + WIDTH, self.x(b));
            let middle = u32::midpoint(from, to);
            let (y1, y2) = (self.centres[a], self.centres[b]);
            points.extend([[from, y1], [middle, y1], [middle, y2], [to, y2]]);
        }
        points.dedup();
        points
    }
}

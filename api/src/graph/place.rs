//! Heights: each node wants to be level with its neighbours; within its layer it keeps its order
//! and its distance. The best such heights are found exactly (isotonic regression), layer by layer.

use super::rank::Ranked;
use super::{GAP_Y, HEIGHT, MARGIN};

/// Sweeps forth and back.
const SWEEPS: usize = 6;
/// The height that an invisible node takes.
const LINE: u32 = 8;

/// The heights of the middles of all nodes.
pub(super) fn place(
    graph: &Ranked,
    layers: &[Vec<usize>],
    is_task: impl Fn(usize) -> bool,
) -> Vec<u32> {
    let size = |node: usize| f64::from(if is_task(node) { HEIGHT } else { LINE });
    let distance = |a: usize, b: usize| f64::midpoint(size(a), size(b)) + f64::from(GAP_Y);
    let mut centres = vec![0.0; graph.ranks.len()];
    for layer in layers {
        let mut at = 0.0;
        for (index, &node) in layer.iter().enumerate() {
            if index > 0 {
                at += distance(layer[index - 1], node);
            }
            centres[node] = at;
        }
        // Around zero, so that narrow layers begin in the middle.
        for &node in layer {
            centres[node] -= at / 2.0;
        }
    }
    for sweep in 0..SWEEPS {
        let forth = sweep % 2 == 0;
        let neighbours = if forth { &graph.before } else { &graph.after };
        let count = layers.len();
        for step in 0..count {
            let layer = &layers[if forth { step } else { count - 1 - step }];
            let wanted: Vec<f64> =
                layer.iter().map(|&node| level(node, &neighbours[node], &centres)).collect();
            let gaps: Vec<f64> = layer.windows(2).map(|pair| distance(pair[0], pair[1])).collect();
            for (&node, height) in layer.iter().zip(settle(&wanted, &gaps)) {
                centres[node] = height;
            }
        }
    }
    whole(&centres, size)
}

/// The mean height of the neighbours; its own when it has none.
fn level(node: usize, neighbours: &[usize], centres: &[f64]) -> f64 {
    let mut sum = 0.0;
    let mut count = 0.0;
    for &other in neighbours {
        sum += centres[other];
        count += 1.0;
    }
    if count > 0.0 { sum / count } else { centres[node] }
}

/// The heights closest to the wanted ones that keep the gaps: neighbours that would come too close
/// are merged into a block at their mean (pool adjacent violators).
fn settle(wanted: &[f64], gaps: &[f64]) -> Vec<f64> {
    let mut shifts = Vec::with_capacity(wanted.len());
    let mut shift = 0.0;
    for index in 0..wanted.len() {
        if index > 0 {
            shift += gaps[index - 1];
        }
        shifts.push(shift);
    }
    // Blocks of (sum, count); all of a block have one height without shifts.
    let mut blocks: Vec<(f64, f64)> = Vec::new();
    for (want, shift) in wanted.iter().zip(&shifts) {
        let mut block = (want - shift, 1.0);
        while let Some(&(sum, count)) = blocks.last() {
            if sum / count <= block.0 / block.1 {
                break;
            }
            block = (block.0 + sum, block.1 + count);
            blocks.pop();
        }
        blocks.push(block);
    }
    let mut heights = Vec::with_capacity(wanted.len());
    for (sum, count) in blocks {
        let mut left = count;
        while left > 0.5 && heights.len() < shifts.len() {
            heights.push(sum / count + shifts[heights.len()]);
            left -= 1.0;
        }
    }
    heights
}

/// Moves everything below the margin, to whole numbers.
fn whole(centres: &[f64], size: impl Fn(usize) -> f64) -> Vec<u32> {
    let top = centres.iter().enumerate().map(|(node, centre)| centre - size(node) / 2.0);
    let top = top.fold(f64::INFINITY, f64::min);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "heights start at the margin and are bounded by the number of tasks"
    )]
    let rounded = |centre: f64| (centre - top + f64::from(MARGIN)).round() as u32;
    centres.iter().map(|&centre| rounded(centre)).collect()
}

#[cfg(test)]
mod tests {
    use super::settle;

    #[test]
    fn gaps_are_kept_with_the_least_movement() {
        let check = |wanted: &[f64], gaps: &[f64], expected: &[f64]| {
            assert_eq!(settle(wanted, gaps), expected, "{wanted:?} {gaps:?}");
        };
        check(&[], &[], &[]);
        check(&[5.0], &[], &[5.0]);
        check(&[0.0, 100.0], &[10.0], &[0.0, 100.0]);
        check(&[0.0, 0.0], &[10.0], &[-5.0, 5.0]);
        check(&[0.0, 0.0, 0.0], &[10.0, 10.0], &[-10.0, 0.0, 10.0]);
    }
}

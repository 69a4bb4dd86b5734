//! The order within layers: each node goes to the mean place of its neighbours, layer by layer,
//! forth and back; the order with the fewest crossings wins.

use super::rank::Ranked;

/// Sweeps forth and back.
const SWEEPS: usize = 8;

/// The nodes of each layer, from top to bottom.
pub(super) fn order(graph: &Ranked) -> Vec<Vec<usize>> {
    let count = graph.ranks.iter().max().map_or(0, |rank| rank + 1);
    let mut layers = vec![Vec::new(); count];
    for (node, &rank) in graph.ranks.iter().enumerate() {
        layers[rank].push(node);
    }
    let mut places = vec![0.0; graph.ranks.len()];
    for layer in &layers {
        note(layer, &mut places);
    }
    let mut best = (crossings(graph, &layers, &places), layers.clone());
    for sweep in 0..SWEEPS {
        if best.0 == 0 {
            break;
        }
        if sweep % 2 == 0 {
            for layer in &mut layers {
                sort(layer, &graph.before, &mut places);
            }
        } else {
            for layer in layers.iter_mut().rev() {
                sort(layer, &graph.after, &mut places);
            }
        }
        let found = crossings(graph, &layers, &places);
        if found < best.0 {
            best = (found, layers.clone());
        }
    }
    best.1
}

fn note(layer: &[usize], places: &mut [f64]) {
    let mut place = 0.0;
    for &node in layer {
        places[node] = place;
        place += 1.0;
    }
}

/// Sorts a layer by the mean place of the neighbours; a node without any keeps its place.
fn sort(layer: &mut [usize], neighbours: &[Vec<usize>], places: &mut [f64]) {
    let mean = |node: usize| {
        let mut count = 0.0;
        let mut sum = 0.0;
        for &other in &neighbours[node] {
            sum += places[other];
            count += 1.0;
        }
        if count > 0.0 { sum / count } else { places[node] }
    };
    let mut keyed: Vec<(f64, usize)> = layer.iter().map(|&node| (mean(node), node)).collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (slot, (_, node)) in layer.iter_mut().zip(keyed) {
        *slot = node;
    }
    note(layer, places);
}

/// How many pairs of edges cross: inversions, counted with a tree of sums.
fn crossings(graph: &Ranked, layers: &[Vec<usize>], places: &[f64]) -> usize {
    let mut total = 0;
    for pair in layers.windows(2) {
        let mut ends: Vec<usize> = Vec::new();
        let rows: std::collections::HashMap<usize, usize> =
            pair[1].iter().enumerate().map(|(row, &node)| (node, row)).collect();
        for &node in &pair[0] {
            let mut below: Vec<usize> = graph.after[node].clone();
            below.sort_by(|a, b| places[*a].total_cmp(&places[*b]));
            ends.extend(below.iter().filter_map(|node| rows.get(node)));
        }
        total += inversions(&ends, pair[1].len());
    }
    total
}

fn inversions(ends: &[usize], width: usize) -> usize {
    let mut tree = vec![0_usize; width + 1];
    let mut total = 0;
    for (seen, &end) in ends.iter().enumerate() {
        let mut up_to = 0;
        let mut at = end + 1;
        while at > 0 {
            up_to += tree[at];
            at &= at - 1;
        }
        total += seen - up_to;
        let mut at = end + 1;
        while at <= width {
            tree[at] += 1;
            at += at & at.wrapping_neg();
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::inversions;

    #[test]
    fn crossings_are_inversions() {
        let check = |ends: &[usize], expected: usize| {
            assert_eq!(inversions(ends, 5), expected, "{ends:?}");
        };
        check(&[], 0);
        check(&[0, 1, 2], 0);
        check(&[2, 1, 0], 3);
        check(&[1, 1, 0], 2);
    }
}

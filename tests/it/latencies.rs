//! How long frames took, between two scrapes.

use crate::daemon::Metrics;

/// Frames by latency, upper bounds in seconds; from one scrape to another.
#[derive(Default)]
pub(crate) struct Latencies(Vec<(f64, f64)>);

impl Latencies {
    pub(crate) fn of(metrics: &Metrics) -> Latencies {
        let buckets = metrics.0.lines().filter_map(|it| it.strip_prefix("eyeshine_frame_latency_seconds_bucket{le=\""));
        let parse = |it: &str| {
            let (bound, count) = it.split_once("\"} ").unwrap();
            (bound.parse().unwrap_or(f64::INFINITY), count.parse().unwrap())
        };
        Latencies(buckets.map(parse).collect())
    }

    pub(crate) fn add(&mut self, from: &Latencies, to: &Latencies) {
        if self.0.is_empty() {
            self.0 = from.0.iter().map(|it| (it.0, 0.0)).collect();
        }
        let grown = from.0.iter().zip(&to.0).map(|(from, to)| to.1 - from.1);
        self.0.iter_mut().zip(grown).for_each(|(it, grown)| it.1 += grown);
    }

    pub(crate) fn frames(&self) -> f64 {
        self.0.last().map_or(0.0, |it| it.1)
    }

    /// As Prometheus' `histogram_quantile`.
    pub(crate) fn quantile(&self, at: f64) -> f64 {
        let wanted = at * self.frames();
        let place = self.0.iter().position(|it| it.1 >= wanted).unwrap();
        let (below, so_far) = if place == 0 { (0.0, 0.0) } else { self.0[place - 1] };
        let (above, with) = self.0[place];
        below + (above - below) * (wanted - so_far) / (with - so_far)
    }
}

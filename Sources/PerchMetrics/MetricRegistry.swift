// SPDX-License-Identifier: Apache-2.0

package import CoreMetrics
import Synchronization

/// Keeps every metric of a process, and gives them as text. Metrics of the same name and labels are one.
///
/// What it makes is to be kept by whoever measures: making takes the registry's lock, measuring does not.
package final class MetricRegistry: MetricsFactory {
    enum Cell: Sendable {
        case counter(CounterCell)
        case gauge(GaugeCell)
        case histogram(HistogramCell)
    }

    struct Family: Sendable {
        var description: MetricDescription
        /// By the labels as they are written.
        var cells: [String: Cell] = [:]
    }

    /// So many combinations of labels a metric has at most; further ones are not kept. A label that grows without bound
    /// would fill this process and whoever collects from it.
    static let mostCells = 1_000

    private let families: Mutex<[String: Family]>

    /// A registry that knows what some metrics mean; others are kept without a word of help.
    package init(_ descriptions: [MetricDescription] = []) {
        var families: [String: Family] = [:]
        for var description in descriptions {
            description.name = PrometheusText.name(description.name)
            families[description.name] = Family(description: description)
        }
        self.families = Mutex(families)
    }

    /// Everything in the text format of Prometheus, version 0.0.4, sorted by names and labels.
    package var text: String {
        PrometheusText.text(of: families.withLock { $0 })
    }

    // MARK: MetricsFactory

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        guard case .counter(let cell)? = cell(label, dimensions, .counter) else { return LostCell() }
        return cell
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        guard case .gauge(let cell)? = cell(label, dimensions, .gauge) else { return LostCell() }
        return cell
    }

    package func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        switch cell(label, dimensions, aggregate ? .histogram(MetricDescription.seconds) : .gauge) {
        case .gauge(let cell)?: cell
        case .histogram(let cell)?: cell
        default: LostCell()
        }
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        guard case .histogram(let cell)? = cell(label, dimensions, .histogram(MetricDescription.seconds)) else {
            return LostCell()
        }
        return cell
    }

    // Metrics stay: a counter that goes and comes back would look like a restart.
    package func destroyCounter(_ handler: any CounterHandler) {}
    package func destroyMeter(_ handler: any MeterHandler) {}
    package func destroyRecorder(_ handler: any RecorderHandler) {}
    package func destroyTimer(_ handler: any TimerHandler) {}

    /// The cell of a name and labels; nil where the name has as many labels as it may. What was described stays what
    /// it was described as, buckets and all.
    private func cell(
        _ label: String, _ dimensions: [(String, String)], _ kind: MetricDescription.Kind
    ) -> Cell? {
        let name = PrometheusText.name(label)
        let labels = PrometheusText.labels(dimensions)
        return families.withLock { families in
            let description = families[name]?.description ?? MetricDescription(name, "", kind)
            if let cell = families[name]?.cells[labels] { return cell }
            guard families[name]?.cells.count ?? 0 < Self.mostCells else { return nil }
            let cell: Cell =
                switch description.kind {
                case .counter: .counter(CounterCell())
                case .gauge: .gauge(GaugeCell())
                case .histogram(let bounds): .histogram(HistogramCell(bounds: bounds))
                }
            families[name, default: Family(description: description)].cells[labels] = cell
            return cell
        }
    }
}

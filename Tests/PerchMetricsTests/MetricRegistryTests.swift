// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import Testing

@testable import PerchMetrics

@Suite struct MetricRegistryTests {
    private let registry = MetricRegistry([
        MetricDescription("perch_fired_total", "Waits that were fired.", .counter),
        MetricDescription("perch_waits", "Waits.", .gauge),
        MetricDescription("perch_lag_seconds", "How late\na timer\\fires.", .histogram([0.01, 0.1, 1])),
        MetricDescription("perch_unused", "Nothing has measured it.", .gauge),
    ])

    private func counter(_ label: String, _ dimensions: [(String, String)] = []) -> Counter {
        Counter(label: label, dimensions: dimensions, factory: registry)
    }

    @Test func everyKindOfMetricIsWrittenSortedByNameAndLabels() {
        counter("perch_fired_total", [("outcome", "timeout"), ("kind", "file")]).increment(by: 2)
        counter("perch_fired_total", [("kind", "at"), ("outcome", "event")]).increment()
        Meter(label: "perch_waits", dimensions: [("kind", "file")], factory: registry).set(1_000_000)
        let lag = Recorder(label: "perch_lag_seconds", dimensions: [], aggregate: true, factory: registry)
        for value in [0.01, 0.011, 0.5, 7] { lag.record(value) }
        #expect(
            registry.text == """
                # HELP perch_fired_total Waits that were fired.
                # TYPE perch_fired_total counter
                perch_fired_total{kind="at",outcome="event"} 1
                perch_fired_total{kind="file",outcome="timeout"} 2
                # HELP perch_lag_seconds How late\\na timer\\\\fires.
                # TYPE perch_lag_seconds histogram
                perch_lag_seconds_bucket{le="0.01"} 1
                perch_lag_seconds_bucket{le="0.1"} 2
                perch_lag_seconds_bucket{le="1"} 3
                perch_lag_seconds_bucket{le="+Inf"} 4
                perch_lag_seconds_sum 7.521
                perch_lag_seconds_count 4
                # HELP perch_waits Waits.
                # TYPE perch_waits gauge
                perch_waits{kind="file"} 1000000

                """)
    }

    @Test func labelsOfAHistogramStandBeforeItsBound() {
        let lag = Recorder(
            label: "perch_lag_seconds", dimensions: [("kind", "at")], aggregate: true, factory: registry)
        lag.record(0.05)
        #expect(registry.text.contains("perch_lag_seconds_bucket{kind=\"at\",le=\"0.1\"} 1\n"))
        #expect(registry.text.contains("perch_lag_seconds_sum{kind=\"at\"} 0.05\n"))
    }

    @Test func valuesOfLabelsAreEscapedAndNamesCleaned() {
        counter("perch.odd-name", [("a b", "quote \" slash \\ line\nend"), ("1st", "é")]).increment()
        #expect(registry.text.contains("# TYPE perch_odd_name counter\n"))
        #expect(registry.text.contains("perch_odd_name{_1st=\"é\",a_b=\"quote \\\" slash \\\\ line\\nend\"} 1\n"))
    }

    @Test func theSameNameAndLabelsAreOneMetricInWhateverOrder() {
        counter("perch_fired_total", [("kind", "at"), ("outcome", "event")]).increment()
        counter("perch_fired_total", [("outcome", "event"), ("kind", "at")]).increment()
        #expect(registry.text.contains("perch_fired_total{kind=\"at\",outcome=\"event\"} 2\n"))
    }

    @Test func aNameThatStandsForAnotherKindTakesNothing() {
        Meter(label: "perch_fired_total", dimensions: [], factory: registry).set(5)
        counter("perch_waits").increment()
        #expect(!registry.text.contains(" 5\n"))
        #expect(!registry.text.contains("perch_waits 1"))
    }

    @Test func aCounterNeverGoesDown() {
        let fired = counter("perch_fired_total")
        fired.increment(by: 3)
        fired.increment(by: -2)
        #expect(registry.text.contains("perch_fired_total 3\n"))
    }

    @Test func aGaugeGoesUpAndDown() {
        let waits = Meter(label: "perch_waits", dimensions: [], factory: registry)
        waits.set(2.5)
        waits.increment(by: 2)
        waits.decrement(by: 1)
        #expect(registry.text.contains("perch_waits 3.5\n"))
    }

    @Test func aTimerIsExportedInSeconds() {
        CoreMetrics.Timer(label: "perch_lag_seconds", dimensions: [], factory: registry).recordNanoseconds(20_000_000)
        #expect(registry.text.contains("perch_lag_seconds_bucket{le=\"0.1\"} 1\n"))
        #expect(registry.text.contains("perch_lag_seconds_sum 0.02\n"))
    }

    @Test func whatIsNoNumberDoesNotSpoilASum() {
        let lag = Recorder(label: "perch_lag_seconds", dimensions: [], aggregate: true, factory: registry)
        lag.record(Double.nan)
        lag.record(Double.infinity)
        lag.record(0.5)
        #expect(registry.text.contains("perch_lag_seconds_sum 0.5\n"))
        #expect(registry.text.contains("perch_lag_seconds_count 1\n"))
    }

    @Test func aLabelCannotTakeTheNameOfAHistogramsBounds() {
        Recorder(label: "perch_lag_seconds", dimensions: [("le", "5")], aggregate: true, factory: registry).record(0.5)
        #expect(registry.text.contains("perch_lag_seconds_bucket{le_=\"5\",le=\"1\"} 1\n"))
    }

    @Test func aMetricHasABoundedNumberOfLabels() {
        for number in 0..<1_100 { counter("perch_fired_total", [("kind", "\(number)")]).increment() }
        #expect(registry.text.split(separator: "\n").count { $0.hasPrefix("perch_fired_total{") } == 1_000)
        // What was there before still counts.
        counter("perch_fired_total", [("kind", "7")]).increment()
        #expect(registry.text.contains("perch_fired_total{kind=\"7\"} 2\n"))
    }

    @Test func nothingIsLostBetweenThreads() async {
        let fired = counter("perch_fired_total")
        let waits = Meter(label: "perch_waits", dimensions: [], factory: registry)
        let lag = Recorder(label: "perch_lag_seconds", dimensions: [], aggregate: true, factory: registry)
        await withTaskGroup { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<5_000 {
                        fired.increment()
                        waits.increment(by: 1)
                        lag.record(0.5)
                    }
                }
            }
        }
        let text = registry.text
        #expect(text.contains("perch_fired_total 20000\n"))
        #expect(text.contains("perch_waits 20000\n"))
        #expect(text.contains("perch_lag_seconds_sum 10000\n"))
        #expect(text.contains("perch_lag_seconds_count 20000\n"))
    }
}

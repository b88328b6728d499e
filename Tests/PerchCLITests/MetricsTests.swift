// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import Foundation
import PerchMetastore
import PerchMetrics
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchCLI

@Suite struct MetricsTests {
    /// What a line of a text says, by its name and labels.
    private func samples(_ text: String) -> [String: Double] {
        var samples: [String: Double] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " ") else { continue }
            samples[String(line[..<space])] = Double(line[line.index(after: space)...])
        }
        return samples
    }

    @Test func theTableOfTheDocumentationIsTheCatalogue() throws {
        let page = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Sources/Perch/Perch.docc/Metrics.md")
        let rows = try String(contentsOf: page, encoding: .utf8).split(separator: "\n").filter {
            $0.hasPrefix("| `perch_")
        }
        let documented = rows.map { row in
            let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            return [cells[0], cells[1], cells[2], cells[4]]
        }
        let known = MetricCatalogue.all.map { metric in
            let type =
                switch metric.kind {
                case .counter: "counter"
                case .gauge: "gauge"
                case .histogram: "histogram"
                }
            let labels = metric.labels.isEmpty ? "—" : metric.labels.map { "`\($0)`" }.joined(separator: ", ")
            return ["`\(metric.name)`", type, labels, metric.help]
        }
        #expect(documented == known)
    }

    /// What a query asks for: names, those of a histogram without what makes a series of it.
    private func names(in query: String) -> [String] {
        query.matches(of: /perch_[a-z_]+/).map { match in
            let name = String(match.output)
            return name.hasSuffix("_bucket") ? String(name.dropLast("_bucket".count)) : name
        }
    }

    @Test("The dashboard for Grafana asks for metrics that there are, by labels that they have, and for all of them")
    func dashboard() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "examples/deploy/grafana-dashboard.json")
        let board = try JSONValue(parsing: String(contentsOf: path, encoding: .utf8))
        guard case .array(let panels) = board["panels"] else { return #expect(Bool(false), "there are no panels") }
        var asked: Set<String> = []
        for panel in panels {
            guard case .array(let targets)? = panel["targets"] else { continue }
            for target in targets {
                guard case .string(let query) = target["expr"] else {
                    Issue.record("a target of \(panel["title"]) asks for nothing")
                    continue
                }
                for name in names(in: query) {
                    asked.insert(name)
                    let metric = try #require(MetricCatalogue.all.first { $0.name == name }, "\(name) in \(query)")
                    let isHistogram = if case .histogram = metric.kind { true } else { false }
                    #expect(query.contains(name + "_bucket") == isHistogram, "\(query)")
                    let isCounter = if case .counter = metric.kind { true } else { false }
                    #expect(!isCounter || query.contains(/(rate|increase)\(/), "\(query)")
                    for grouping in query.matches(of: /by \(([a-z, ]+)\)/) {
                        let labels = grouping.output.1.split(separator: ",").map {
                            $0.trimmingCharacters(in: .whitespaces)
                        }
                        for label in labels where !["le", "instance"].contains(label) {
                            #expect(metric.labels.contains(label), "\(label) in \(query)")
                        }
                    }
                }
            }
        }
        #expect(asked == Set(MetricCatalogue.all.map(\.name)))
    }

    @Test func namesFollowTheConventionsOfPrometheus() {
        for metric in MetricCatalogue.all {
            #expect(metric.name.hasPrefix("perch_"))
            let isCounter = if case .counter = metric.kind { true } else { false }
            #expect(metric.name.hasSuffix("_total") == isCounter, "\(metric.name)")
        }
        #expect(MetricCatalogue.all.map(\.name) == MetricCatalogue.all.map(\.name).sorted())
    }

    @Test func theFiguresOfAnEngineMoveWithItsRunsAndItsWaits() throws {
        let home = try Folder()
        defer { home.remove() }
        let program = Program("trial-bundle")
        let engine = try RunningEngine(program, home: home.path, log: home.path + "/log")
        defer { engine.stop() }
        func metrics() throws -> String {
            let outcome = try program("metrics", "--home", home.path)
            #expect(outcome.code == 0, "\(outcome.errors)")
            return outcome.output
        }
        /// Looks again until a sample is at least that, for a bounded number of times.
        func wait(for name: String, _ value: Double) throws -> [String: Double] {
            for _ in 0..<200 {
                let found = try samples(metrics())
                if let sample = found[name], sample >= value { return found }
                usleep(20_000)
            }
            Issue.record("\(name) never reached \(value): \(try metrics())")
            return [:]
        }

        #expect(
            try program("dags", "trigger", "lands", "--home", home.path, "--params", #"{"folder": "\#(home.path)"}"#)
                .code
                == 0)
        #expect(try program("dags", "trigger", "briefly", "--home", home.path).code == 0)
        var found = try wait(for: #"perch_waits{kind="file",state="armed"}"#, 1)
        #expect(found["perch_shards_held"]! > 0)
        try Data("x".utf8).write(to: URL(filePath: home.path + "/in.csv"))
        found = try wait(for: #"perch_waits_fired_total{kind="file",outcome="event"}"#, 1)
        #expect(found[#"perch_waits{kind="file",state="armed"}"#] == 0)
        found = try wait(for: "perch_timer_lag_seconds_count", 1)
        #expect(found[#"perch_waits_fired_total{kind="time",outcome="event"}"#]! >= 1)
        // The sensor, the task after it, and the one that slept.
        found = try wait(for: #"perch_task_transitions_total{state="success"}"#, 3)
        #expect(found[#"perch_task_transitions_total{state="deferred"}"#]! >= 2)
        #expect(found[#"perch_task_transitions_total{state="running"}"#]! >= 3)
        #expect(found[#"perch_commits_total{result="committed"}"#]! > 0)
        #expect(found["perch_commit_members_sum"]! >= found["perch_commit_members_count"]!)
        #expect(found[#"perch_loop_turn_seconds_count{loop="triggerer"}"#]! > 0)
        #expect(found[#"perch_loop_commands_total{loop="executor"}"#]! > 0)
        #expect(found[#"perch_doorbells_total{bell="waits"}"#]! > 0)
        #expect(found["perch_slots"] == 32)

        // Every metric that is there is in the catalogue, with its type and its labels.
        let text = try metrics()
        let names = Set(MetricCatalogue.all.map(\.name))
        for line in text.split(separator: "\n") where line.hasPrefix("# TYPE ") {
            #expect(names.contains(String(line.split(separator: " ")[2])), "\(line)")
        }
        // Those of which there has been nothing yet: probes by HTTP and sockets are there from the start, slow calls not, nor spans,
        // which go nowhere here.
        let present = Set(
            text.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }.map { String($0.split(separator: " ")[2]) })
        #expect(names.subtracting(present).isSubset(of: ["perch_slow_calls_total", "perch_spans_total"]))
    }

    @Test func withoutAnEngineTheCommandSaysSo() throws {
        let home = try Folder()
        defer { home.remove() }
        let outcome = try Program("trial-bundle")("metrics", "--home", home.path)
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("no engine answers on \(home.path)"))
    }

    @Test func aCounterThatIsReadFromElsewhereGrowsOnceForEachGrowth() {
        let metrics = EngineMetrics()
        metrics.count(Doorbells())
        #expect(samples(metrics.registry.text)["perch_commit_members_count"] == 0)
        metrics.loop("triggerer").turned(took: 1_500, commands: 3)
        let found = samples(metrics.registry.text)
        #expect(found[#"perch_loop_turn_seconds_sum{loop="triggerer"}"#] == 0.0015)
        #expect(found[#"perch_loop_commands_total{loop="triggerer"}"#] == 3)
    }
}

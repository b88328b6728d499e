// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import PerchSimulation
internal import Synchronization

/// Shares histories among processes: a trap in one of them is a failing seed like any other, and memory is given back.
struct HistoryWorkers {
    /// Set in the environment of a worker.
    static let mark = "PERCH_SIMULATE_WORKER"
    private static let portion: UInt64 = 50

    let command: HistoriesCommand
    let count: Int

    private struct Progress: Sendable {
        var next: UInt64
        var end: UInt64
        var total = HistoryTotal()
        var failures: [String] = []
    }

    func run() throws {
        let begun = ContinuousClock.now
        let progress = Mutex(Progress(next: command.seed, end: command.seed + command.histories))
        let arguments =
            [
                "--faults", command.faults, "--faults-per-history", "\(command.faultsPerHistory)", "--jobs", "1",
            ]
            + (command.mappedGroups ? ["--mapped-groups"] : []) + (command.trace ? ["--trace"] : [])
            + (command.fingerprints ? ["--fingerprints"] : [])
        DispatchQueue.concurrentPerform(iterations: count) { _ in
            while let (first, number) = Self.take(progress) {
                let outcome = Self.work(first, number, arguments)
                progress.withLock { progress in
                    if let total = outcome.total { progress.total.add(total) }
                    if let failure = outcome.failure { progress.failures.append(failure) }
                }
            }
        }
        let (total, failures) = progress.withLock { ($0.total, $0.failures) }
        for failure in failures { print(failure) }
        let seconds = (ContinuousClock.now - begun) / .seconds(1)
        print(total.line)
        print(
            "\(String(format: "%.1f", seconds)) s, \(String(format: "%.1f", Double(total.histories) / seconds)) histories/s"
        )
        if !failures.isEmpty { throw ExitCode(1) }
    }

    /// The next portion of seeds; nil where there is none, or something has failed.
    private static func take(_ progress: borrowing Mutex<Progress>) -> (UInt64, UInt64)? {
        progress.withLock { progress in
            guard progress.failures.isEmpty, progress.next < progress.end else { return nil }
            let number = min(portion, progress.end - progress.next)
            defer { progress.next += number }
            return (progress.next, number)
        }
    }

    private static func work(
        _ first: UInt64, _ number: UInt64, _ arguments: [String]
    ) -> (total: HistoryTotal?, failure: String?) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = ["histories", "--seed", "\(first)", "--histories", "\(number)"] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging([mark: "1"]) { $1 }
        let pipe = Pipe()
        process.standardOutput = pipe
        do {
            try process.run()
        } catch {
            return (nil, "no worker process: \(error.localizedDescription)")
        }
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let last = lines.last { $0.hasPrefix("begin ") }?.dropFirst("begin ".count)
        lines.removeAll { $0.hasPrefix("begin ") || $0.isEmpty }
        switch (process.terminationReason, process.terminationStatus) {
        case (.exit, 0):
            var total: HistoryTotal?
            for line in lines {
                if let found = HistoryTotal(line: line) { total = found } else { print(line) }
            }
            return (total, total == nil ? "the worker of seeds from \(first) gave no result" : nil)
        case (.exit, _):
            return (nil, lines.joined(separator: "\n"))
        case (_, let signal):
            lines.append(
                "seed \(last ?? "?") took its process down (signal \(signal)): run it with --seed \(last ?? "?") --histories 1"
            )
            return (nil, lines.suffix(40).joined(separator: "\n"))
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK

/// Removes the logs of runs that the metastore has forgotten, where `retention.runs_days` decides for both; and their long
/// outputs, which nobody can ask for any more.
///
/// A run's directory goes when nothing in it has changed for as long and the metastore has no such run any more, so the
/// logs of a run that is alive are never touched.
final class LogSweep: Sendable {
    private let metastore: Metastore
    private let directory: String
    private let keep: TimeSpan
    private let reactor: any Reactor
    private let log: Logger
    private let what: String
    private static let period = TimeSpan.seconds(3_600)

    init(
        metastore: Metastore, directory: String, keep: TimeSpan, reactor: any Reactor, log: Logger,
        what: String = "logs"
    ) {
        self.what = what
        self.metastore = metastore
        self.directory = directory
        self.keep = keep
        self.reactor = reactor
        self.log = log
    }

    /// Sweeps in two minutes, after the first cleaning of the metastore, and every hour from then on.
    func start() {
        plan(after: .seconds(120))
    }

    private func plan(after span: TimeSpan) {
        reactor.submit { [self] in
            _ = reactor.loop.schedule(at: reactor.loop.now + span.microseconds) { [self] in
                // Not on the reactor: removing files blocks.
                Task { @concurrent in
                    do {
                        // By this machine's clock, as its files are.
                        let now = SystemClock().now
                        let count = try await sweep(before: now + TimeSpan(microseconds: -keep.microseconds))
                        if count > 0 { log.info("\(what) of forgotten runs removed", metadata: ["runs": "\(count)"]) }
                    } catch {
                        log.warning("\(what) could not be removed; tried again later", metadata: ["error": "\(error)"])
                    }
                    plan(after: Self.period)
                }
            }
        }
    }

    /// Removes what is older than an instant and belongs to no run. Gives the number of runs.
    func sweep(before instant: Timestamp) async throws -> Int {
        var count = 0
        for dag in try entries(of: directory, with: "dag_id=") {
            let folder = "\(directory)/dag_id=\(dag.encoded)"
            for run in try entries(of: folder, with: "run_id=") {
                let path = "\(folder)/run_id=\(run.encoded)"
                do {
                    guard let dagID = dag.id, let runID = run.id, try lastChange(in: path) < instant else { continue }
                    guard try await metastore.read({ try $0.run(dagID: dagID, runID: runID) == nil }) else { continue }
                    try FileManager.default.removeItem(atPath: path)
                    count += 1
                } catch  where !FileManager.default.fileExists(atPath: path) {
                    // Another process that looks after the same directory was faster.
                }
            }
        }
        return count
    }

    /// The directories `<prefix><id>`, with the id where it can be read back.
    private func entries(of path: String, with prefix: String) throws -> [(encoded: String, id: String?)] {
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: path).sorted().compactMap { name in
            guard name.hasPrefix(prefix) else { return nil }
            let encoded = String(name.dropFirst(prefix.count))
            // A long id was cut and cannot be read back: its logs stay.
            return (encoded, encoded.utf8.count > 180 ? nil : encoded.removingPercentEncoding)
        }
    }

    private func lastChange(in path: String) throws -> Timestamp {
        var last = try change(of: path)
        for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
            last = max(last, try change(of: "\(path)/\(name)"))
        }
        return last
    }

    private func change(of path: String) throws -> Timestamp {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        let date = attributes[.modificationDate] as? Date ?? .distantFuture
        return Timestamp(microseconds: Int64(min(date.timeIntervalSince1970 * 1e6, 9e18)))
    }
}

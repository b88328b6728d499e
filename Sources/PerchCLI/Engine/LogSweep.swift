// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import PerchExecutor
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
    private let clock: any PerchClock
    /// The directory may be another machine's, and not answer.
    private let files = FileThread(name: "perch-sweep")
    private static let period = TimeSpan.seconds(3_600)

    /// - Parameter clock: That by which the files are stamped: this machine's.
    init(
        metastore: Metastore, directory: String, keep: TimeSpan, reactor: any Reactor, clock: any PerchClock,
        log: Logger, what: String = "logs"
    ) {
        self.clock = clock
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
                Task { @concurrent in
                    do {
                        let count = try await sweep()
                        if count > 0 { log.info("\(what) of forgotten runs removed", metadata: ["runs": "\(count)"]) }
                    } catch {
                        log.warning("\(what) could not be removed; tried again later", metadata: ["error": "\(error)"])
                    }
                    plan(after: Self.period)
                }
            }
        }
    }

    /// Removes what is old enough and belongs to no run. Gives the number of runs.
    func sweep() async throws -> Int {
        let instant = clock.now + TimeSpan(microseconds: -keep.microseconds)
        var count = 0
        for run in try await files.run({ try self.runs(before: instant) }) {
            guard try await metastore.read({ try $0.run(dagID: run.dagID, runID: run.runID) == nil }) else { continue }
            if try await files.run({
                try Self.ifThere(run.path) { try FileManager.default.removeItem(atPath: run.path) }
            })
                != nil
            {
                count += 1
            }
        }
        return count
    }

    /// The directory of a run.
    private struct Found: Sendable {
        var dagID: String
        var runID: String
        var path: String
    }

    /// Those in which nothing has changed since an instant.
    private func runs(before instant: Timestamp) throws -> [Found] {
        var found: [Found] = []
        for dag in try entries(of: directory, with: "dag_id=") {
            let folder = "\(directory)/dag_id=\(dag.encoded)"
            for run in try entries(of: folder, with: "run_id=") {
                let path = "\(folder)/run_id=\(run.encoded)"
                guard let dagID = dag.id, let runID = run.id,
                    let last = try Self.ifThere(path, { try lastChange(in: path) }), last < instant
                else { continue }
                found.append(Found(dagID: dagID, runID: runID, path: path))
            }
        }
        return found
    }

    /// What is done with a directory; nil where it is gone: another process that looks after the same ones was faster.
    private static func ifThere<Result>(_ path: String, _ body: () throws -> Result) throws -> Result? {
        do {
            return try body()
        } catch  where !FileManager.default.fileExists(atPath: path) {
            return nil
        }
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

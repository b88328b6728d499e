// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// A process that takes part, at a moment.
private struct Job<Details: Sendable>: Sendable {
    var process: ProcessRow
    var state: String
    var details: Details

    static func members(_ states: [String]) -> [Resource<Self>.Member] {
        [
            .text("name", "Its machine and number there, host:pid.") { $0.process.name },
            .integer("process_id", "Its own number, unique for ever.") { $0.process.processID },
            .text("hostname", "Its machine.") { $0.process.host },
            .integer("pid", "Its number there.") { Int64($0.process.pid) },
            .choice("state", states, "Whether it lives, as far as its lease says.") { $0.state },
            .instant("started_at", "When it began.") { $0.process.startedAt },
            .instant("lease_until", "Until when what it holds is its own.") { $0.process.leaseUntil },
        ]
    }
}

extension ProcessRow {
    fileprivate func job<Details: Sendable>(_ details: Details, _ now: Timestamp) -> Job<Details> {
        Job(process: self, state: leaseUntil > now ? "active" : "dead", details: details)
    }
}

extension ImportErrorRow {
    fileprivate static let resource = Resource<ImportErrorRow>(
        "ImportError",
        [
            .text("filename", "The file.") { $0.problem.file },
            .count("line", "The line.") { $0.problem.line },
            .countOrNull("column", "The column, where it is known.") { $0.problem.column },
            .text("message", "What is wrong, and what would be right.") { $0.problem.message },
            .text("bundle_name", "The bundle.") { $0.bundle },
            .instant("timestamp", "When it was seen first.") { $0.since },
        ])
}

extension Endpoint {
    private static let scheduler = Resource<Job<Void>>("Scheduler", Job<Void>.members(["active", "dead"]))
    private static let triggerer = Resource<Job<TriggererRow>>(
        "Triggerer",
        Job<TriggererRow>.members(["active", "draining", "drained", "dead"]) + [
            .texts("queues", "The queues that it watches the waits of; none: all.") { $0.details.terms.queues ?? [] },
            .count("shards", "How many parts of them it holds.") { $0.details.shards },
            .integer("waits", "How many waits it watched when it last said so.") { $0.details.waits },
            .integer("capacity", "How many it is meant for.") { $0.details.terms.capacity },
        ])
    private static let worker = Resource<Job<WorkerRow>>(
        "Worker",
        Job<WorkerRow>.members(["active", "dead"]) + [
            .texts("queues", "The queues that it takes tasks of; none: all.") { $0.details.terms.queues ?? [] },
            .count("slots", "How many tasks it runs at a time.") { $0.details.terms.slots },
            .count("running", "How many it holds.") { $0.details.running },
        ])

    private static let apiServer = Resource<Job<APIServerRow>>(
        "APIServer",
        Job<APIServerRow>.members(["active", "dead"]) + [
            .textOrNull("version", "The version of Perch that it is, where that is known.") { $0.details.version }
        ])

    static let jobs: [Endpoint] = [
        .list("schedulers", "Schedulers.", of: scheduler, as: "schedulers") { call in
            try await page(call) { snapshot in
                try snapshot.processes(role: SchedulerRow.role).map { $0.job((), snapshot.now) }
            }
        },
        .list("triggerers", "Triggerers.", of: triggerer, as: "triggerers") { call in
            try await page(call) { snapshot in
                try snapshot.triggerers().map { row in
                    Job(process: row.process, state: row.state(at: snapshot.now), details: row)
                }
            }
        },
        .list("workers", "Workers.", of: worker, as: "workers") { call in
            try await page(call) { snapshot in try snapshot.workers().map { $0.process.job($0, snapshot.now) } }
        },
        .list("apiServers", "API servers.", of: apiServer, as: "api_servers") { call in
            try await page(call) { snapshot in try snapshot.apiServers().map { $0.process.job($0, snapshot.now) } }
        },
        .list(
            "importErrors", "What is wrong in the files from which bundles read DAGs.", of: ImportErrorRow.resource,
            as: "import_errors"
        ) { call in
            let first = Int(try call.placeNumber() ?? 0)
            return try await call.read { snapshot in
                let rest = try snapshot.importErrors().enumerated().dropFirst(max(0, first))
                return Page(Array(rest), limit: call.limit) { [.integer(Int64($0.offset + 1))] }.map(\.element)
            }
        },
    ]

    /// Processes in the order in which they were recorded.
    private static func page<Details: Sendable>(
        _ call: RESTCall, _ find: @escaping @Sendable (Snapshot) throws -> [Job<Details>]
    ) async throws -> Page<Job<Details>> {
        let after = try call.placeNumber() ?? .min
        return try await call.read { snapshot in
            let rest = try find(snapshot).filter { $0.process.processID > after }
            return Page(rest, limit: call.limit) { [.integer($0.process.processID)] }
        }
    }
}

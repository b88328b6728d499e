// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// A run that somebody asks for, perhaps with a key by which he would ask for it again.
private struct WantedRun: Sendable {
    var request: RunRequest
    /// Where it stands in the body.
    var pointer: String

    static let fields: [Schema.Field] = [
        Schema.Field(
            name: "dag_run_id", schema: .optional(.formed(.runID)),
            about: "Its id; null: made from the moment, or from the key.",
            isRequired: false),
        Schema.Field(
            name: "logical_date", schema: .optional(.instant), about: "The date that it is for; null: now.",
            isRequired: false),
        Schema.Field(
            name: "conf", schema: .optional(.map), about: "Values over the params of the DAG.", isRequired: false),
    ]

    init(
        _ body: JSONValue, dagID: String, key: String?, traceparent: String?, at pointer: String = ""
    ) throws {
        request = RunRequest(dagID: dagID, runID: body.text("dag_run_id"), params: .object(body.object("conf") ?? [:]))
        request.traceparent = traceparent
        request.logicalDate = try body.instant("logical_date")
        self.pointer = pointer
        if let runID = request.runID {
            do {
                try Transaction.checkRunID(runID)
            } catch let error as PerchError {
                throw Refusal.field(pointer + "/dag_run_id", error.message)
            }
        } else if let key {
            // The key itself is no name that any run may have.
            request.runID = "manual__key_\(Self.hash(key))"
        }
        request.askedBy = key.map { Self.hash($0) }
    }

    private static func hash(_ key: String) -> String {
        var hash = StableHash128()
        hash.combine(key)
        return hash.text
    }

    /// Creates the run, or finds the one that was created for the same key.
    func run(in transaction: Transaction) throws -> (run: RunRow, isNew: Bool) {
        if let askedBy = request.askedBy,
            let known = try transaction.run(dagID: request.dagID, askedBy: askedBy)
        {
            guard try isFor(known, transaction) else {
                throw Refusal(
                    .conflict, "conflict",
                    "the run '\(known.runID)' was asked for with this Idempotency-Key before, but with another id, conf or date"
                )
            }
            return (known, false)
        }
        do {
            return (try transaction.startRun(request), true)
        } catch let error as PerchError where error.code == .invalid {
            throw Refusal.field(pointer + "/conf", error.message)
        } catch let error as PerchError where error.code == .conflict {
            throw Refusal(.conflict, "conflict", (pointer.isEmpty ? "" : "#\(pointer): ") + error.message)
        }
    }

    private func isFor(_ run: RunRow, _ snapshot: Snapshot) throws -> Bool {
        guard case .object(let given) = request.params, request.runID ?? run.runID == run.runID,
            request.logicalDate ?? run.logicalDate == run.logicalDate
        else { return false }
        let defaults = try snapshot.definition(ofVersion: run.versionID).params
        return run.params == .object(defaults.merging(given) { _, new in new })
    }
}

/// What was asked for at once.
private struct BulkRuns: Sendable {
    var runs: [RunRow]
    var created: Int

    static let resource = Resource<BulkRuns>(
        "BulkRuns",
        [
            .list("dag_runs", of: RunRow.resource, "The runs, in the order in which they were asked for.") { $0.runs },
            .count("created", "How many of them are new; the others were created for the same key before.") {
                $0.created
            },
        ])
}

extension Endpoint {
    private static let mostRuns = 1_000

    private static let trigger: Endpoint = {
        var endpoint = Endpoint(
            .post, "dags/{dag_id}/dagRuns", .user,
            "Starts a run. With an Idempotency-Key, asking again gives the same run.", answer: RunRow.resource.schema,
            service: .call { call in
                let wanted = try WantedRun(
                    call.body, dagID: call.name("dag_id"), key: try call.idempotencyKey(),
                    traceparent: call.fields[.traceparent])
                try await call.read { try $0.prepareRun(ofDAG: wanted.request.dagID) }
                let (run, isNew) = try await call.write { try wanted.run(in: $0) }
                return RESTReply(RunRow.resource.document(run), status: isNew ? .created : .ok)
            })
        endpoint.body = .object(WantedRun.fields)
        endpoint.status = .created
        endpoint.otherStatuses = [.ok]
        endpoint.repetition = .own
        return endpoint
    }()

    private static let bulk: Endpoint = {
        let own = Schema.Field(
            name: "dag_id", schema: .formed(.storedName), about: "The DAG, where the path does not name it.",
            isRequired: false)
        var endpoint = Endpoint.change(
            .post, "dags/{dag_id}/dagRuns/bulk", .user,
            "Starts up to 1,000 runs, all of them or none; of any DAGs where dag_id is ~.", of: BulkRuns.resource,
            body: [
                Schema.Field(
                    name: "dag_runs",
                    schema: .list(.named("WantedRun", .object([own] + WantedRun.fields)), most: mostRuns),
                    about: "What is wanted of each.")
            ]
        ) { call in
            let key = try call.idempotencyKey()
            // No header has a line break: no other key is that of a run in here.
            let wanted = try (call.body.list("dag_runs") ?? []).enumerated().map { place, body in
                let pointer = "/dag_runs/\(place)"
                let given = call.name("dag_id") == "~" ? nil : call.name("dag_id")
                guard let dagID = body.text("dag_id") ?? given else {
                    throw Refusal.field(pointer + "/dag_id", "which DAG? The path names none, so each run has to")
                }
                guard given == nil || given == dagID else {
                    throw Refusal.field(pointer + "/dag_id", "it is another DAG than that of the path")
                }
                return try WantedRun(
                    body, dagID: dagID, key: key.map { "\($0)\n\(place)" },
                    traceparent: call.fields[.traceparent], at: pointer)
            }
            let named = call.name("dag_id")
            if named != "~" { _ = try await call.read { try $0.knownDAG(named) } }
            for dagID in Set(wanted.map(\.request.dagID)).sorted() {
                try call.require(.user, for: dagID)
                try await call.read { try $0.prepareRun(ofDAG: dagID) }
            }
            return try await call.write { transaction in
                let made = try wanted.map { try $0.run(in: transaction) }
                return BulkRuns(runs: made.map(\.run), created: made.count { $0.isNew })
            }
        }
        endpoint.isBulk = true
        endpoint.repetition = .own
        return endpoint
    }()

    static let steeredRuns: [Endpoint] = [
        trigger, bulk,
        .change(
            .patch, "dags/{dag_id}/dagRuns/{dag_run_id}", .operate,
            "Ends a run: what waits or has not begun ends at once, what runs cleans up first.", of: RunRow.resource,
            body: [Schema.Field(name: "state", schema: .choice(["failed"]), about: "What it is to end as.")]
        ) { call in
            try await call.write { transaction in
                let run = try transaction.knownRun(of: call)
                try transaction.endRun(run, by: call.caller.name)
                return try transaction.knownRun(of: call)
            }
        },
    ]
}

// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

/// A home with something of everything that `/api/v2` shows: the DAG `orders` with a run `r1`, of which `parse` has succeeded,
/// `load` is mapped over what it gave, and two sensors wait; the DAG `rates`, which goes by time.
final class RESTBench: Sendable {
    let api: APIBench
    let token: String?

    init(tokens: [String] = [], secrets: [String] = [], surroundings: APISurroundings = APISurroundings()) async throws
    {
        api = try await APIBench(tokens: tokens.map { "\($0) admin" }, secrets: secrets, surroundings: surroundings)
        token = tokens.first
        let lease = TimeSpan.seconds(1_000)
        let identity = ProcessIdentity(pid: 7, startTime: 1, bootID: "b", host: "h")
        let worker = try await api.metastore.write { transaction in
            _ = try transaction.registerScheduler(identity, lease: lease)
            _ = try transaction.registerAPIServer(identity, version: "9.9", lease: lease)
            let triggerer = try transaction.registerTriggerer(identity, terms: TriggererTerms(), lease: lease)
            _ = try transaction.shareShards(triggerer)
            try transaction.storeDAGs(
                [Self.orders, Self.rates], bundle: "default", bundleVersion: "1",
                importErrors: [DeclarationProblem(file: "bad.yaml", line: 3, message: "no such operator")],
                sources: [Self.source])
            try transaction.setPool("gpu", slots: 4, description: "cards")
            try transaction.setVariable("region", .plain("eu"), isSecret: false, description: "where")
            let sealed = SealedValue(keyID: "k", text: "SEALED")
            try transaction.setVariable("api_token", .sealed(sealed), isSecret: true, description: nil)
            try transaction.setConnection("db", type: "postgres", sealed, description: "the one")
            _ = try transaction.emit([
                NewEvent(name: "orders.paid", key: "1", payload: ["total": 9]),
                NewEvent(name: Asset.eventName, key: "prices", payload: ["dag_id": "rates"]),
            ])
            var backfill = BackfillRequest(
                dagID: "rates", from: try Timestamp(parsing: "2026-09-01T00:00:00Z"),
                to: try Timestamp(parsing: "2026-09-04T00:00:00Z"))
            backfill.maxActiveRuns = 1
            _ = try transaction.createBackfill(backfill, by: "anna")
            _ = try transaction.createRun(RunRequest(dagID: "orders", runID: "r1", params: ["size": 3]))
            return try transaction.registerWorker(identity, terms: WorkerTerms(slots: 8), lease: lease)
        }
        try await advance()
        try await api.metastore.write { transaction in
            for task in try transaction.claim(limit: 10, worker: worker) where task.key.taskID == "parse" {
                let step = StepRecord(
                    taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID, key: "read#0", payload: "[1,2]",
                    keepAcrossRetries: false)
                _ = try transaction.recordSteps([step])
                try transaction.recordRendered([
                    RenderedRecord(
                        taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID,
                        fields: [RenderedText(name: "command", text: Self.hostile), RenderedText(name: "b", text: "2")])
                ])
                let report = TaskReport(
                    taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID,
                    outcome: .success(output: "[1,2]", items: ["1", "2"]))
                _ = try transaction.finish([report])
            }
        }
        try await advance()
    }

    /// A home with nothing in it.
    init(of api: APIBench) {
        self.api = api
        token = nil
    }

    func advance() async throws {
        for _ in 0..<100 {
            guard try await api.metastore.write({ try $0.advanceRuns(budget: 1_000) }) else { return }
        }
    }

    func end() async throws { try await api.end() }

    /// One request behind `/api/v2/`, with the token where there is one.
    func send(
        _ method: String, _ path: String, _ body: JSONValue? = nil, _ fields: [String: String] = [:]
    ) async throws -> WebClient.Answer {
        var fields = fields
        if let token, fields["Authorization"] == nil { fields["Authorization"] = "Bearer \(token)" }
        if body != nil { fields["Content-Type"] = "application/json" }
        return try await api.send("\(method) /api/v2/\(path)", fields, body?.text ?? "")
    }

    func get(_ path: String, _ fields: [String: String] = [:]) async throws -> WebClient.Answer {
        try await send("GET", path, nil, fields)
    }

    /// The documents of a list, page by page.
    func all(_ path: String, _ member: String, limit: Int) async throws -> [JSONValue] {
        var found: [JSONValue] = []
        var cursor = ""
        for _ in 0..<1_000 {
            let mark = path.contains("?") ? "&" : "?"
            let answer = try await get("\(path)\(mark)limit=\(limit)\(cursor)")
            guard answer.status == 200, case .array(let rows)? = answer.json[member] else {
                Issue.record("\(path): \(answer)")
                return found
            }
            #expect(rows.count <= limit)
            found += rows
            guard case .string(let next)? = answer.json["next_cursor"] else { return found }
            cursor = "&cursor=\(next)"
        }
        Issue.record("\(path) has no end")
        return found
    }

    func waits() async throws -> [WaitRow] { try await api.metastore.read { try $0.waits(WaitFilter()) } }

    /// A text that would be more than a text, where it was not escaped.
    static let hostile = "echo '<script>alert(1)</script>' \u{1B}[31m\u{202E}&amp;"
    static let source = DAGSourceText(
        path: "team/orders.yaml", text: "id: orders\n\n# \(hostile)\ntasks: []\n", dagIDs: ["orders"])

    private static let orders: DAGDefinition = {
        let parse = TaskDefinition(taskID: "parse", kind: .code(operatorName: "closure"))
        var load = TaskDefinition(taskID: "load", kind: .code(operatorName: "closure"), upstream: [0])
        load.mappedOver = 0
        let landed = TriggerSpec(kind: "file", target: "/data/in.csv", definition: ["path": "/data/in.csv"])
        let nap = TriggerSpec(kind: "time", target: "after 1h", due: .after(.seconds(3_600)))
        var dag = DAGDefinition(
            dagID: "orders",
            tasks: [
                parse, load,
                TaskDefinition(taskID: "landed", kind: .sensor(SensorDefinition(trigger: landed))),
                TaskDefinition(taskID: "nap", kind: .sensor(SensorDefinition(trigger: nap))),
            ])
        dag.tags = ["daily"]
        dag.params = ["size": 1, "name": "x"]
        return dag
    }()

    private static let rates: DAGDefinition = {
        var task = TaskDefinition(taskID: "fetch", kind: .code(operatorName: "closure"))
        task.outlets = ["prices"]
        return DAGDefinition(dagID: "rates", schedule: .cron(expression: "0 6 * * *", timeZone: "UTC"), tasks: [task])
    }()
}

extension JSONValue {
    subscript(place: Int) -> JSONValue? {
        guard case .array(let values) = self, values.indices.contains(place) else { return nil }
        return values[place]
    }

    /// The names of an object's members.
    var names: Set<String> { if case .object(let members) = self { Set(members.keys) } else { [] } }
}

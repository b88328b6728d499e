// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("Pages of versions, definitions, assets and backfills", .timeLimit(.minutes(2)))
struct DAGPageTests {
    private func main(_ check: MarkupCheck) -> String { check.elements.first { $0.name == "main" }?.text ?? "" }

    private func store(_ bench: RESTBench, _ dags: [DAGDefinition], _ version: String) async throws {
        try await bench.api.metastore.write { transaction in
            try transaction.storeDAGs(dags, bundle: "other", bundleVersion: version)
        }
    }

    private func dag(_ id: String, updates: [String], startedBy: [String] = []) -> DAGDefinition {
        var task = TaskDefinition(taskID: "make", kind: .code(operatorName: "closure"))
        task.outlets = updates
        let patterns = startedBy.map { EventPattern(name: Asset.eventName, key: $0) }
        let schedule: ScheduleDefinition = patterns.isEmpty ? .none : .events(EventSchedule(patterns))
        return DAGDefinition(dagID: id, schedule: schedule, tasks: [task])
    }

    @Test("Versions are told with what each changed, and any two of them are compared")
    func versions() async throws {
        let bench = try await RESTBench()
        var task = TaskDefinition(taskID: "a", kind: .empty)
        for number in 1...35 {
            task.retries = number
            try await store(bench, [DAGDefinition(dagID: "often", tasks: [task])], "v\(number)")
        }
        let first = try await bench.read("/dags/often/versions")
        let rows = first.elements.filter { $0.name == "th" && $0.attributes["scope"] == "row" }.map(\.text)
        #expect(rows.first == "35 newest" && rows.contains("6") && !rows.contains("5"), "\(rows)")
        #expect(main(first).contains("From version 34 to 35") && main(first).contains("a, retries"))
        let next = try #require(first.elements.first { $0.attributes["rel"] == "next" }?.attributes["href"])
        let last = try await bench.read(next)
        #expect(main(last).contains("the first") && !last.elements.contains { $0.attributes["rel"] == "next" })
        let far = try await bench.read("/dags/often/versions?from=1&to=35")
        #expect(main(far).contains("From version 1 to 35"))
        for (path, says) in [("from=99", "no version 99"), ("from=1&to=40", "no version 40")] {
            let answer = try await bench.page("/dags/often/versions?\(path)")
            #expect(answer.status == 404 && answer.body.contains(says), "\(path): \(answer)")
        }
        #expect(main(try await bench.read("/dags/orders/versions")).contains("nothing to compare"))
        try await bench.end()
    }

    @Test("A definition is told a page of tasks at a time, of each version, and that no text of its file is kept")
    func definitions() async throws {
        let bench = try await RESTBench()
        let tasks = (0..<40).map { TaskDefinition(taskID: "t\($0)<b>", kind: .empty) }
        try await store(bench, [DAGDefinition(dagID: "wide", tasks: Array(tasks.prefix(1)))], "v1")
        try await store(bench, [DAGDefinition(dagID: "wide", tasks: tasks)], "v2")
        let check = try await bench.read("/dags/wide/definition")
        #expect(main(check).contains("No text of it is kept") && main(check).contains("1–15 of 40"))
        #expect(main(try await bench.read("/dags/wide/definition?page=3")).contains("t39<b>"))
        #expect(main(try await bench.read("/dags/wide/definition?version=1")).contains("1–1 of 1"))
        #expect(try await bench.page("/dags/wide/definition?version=7").status == 404)
        try await bench.end()
    }

    @Test(
        "Assets are listed, found and drawn with what updates them and what they start, also where that leads in a circle"
    )
    func assets() async throws {
        let bench = try await RESTBench()
        let name = "s3://bucket/a?b=<script>&\"'"
        try await store(
            bench,
            [
                dag("maker", updates: [name]), dag("reader", updates: ["circle"], startedBy: [name]),
                dag("turner", updates: [name], startedBy: ["circle"]),
            ], "v1")
        let list = try await bench.read("/assets")
        #expect(main(list).contains(name) && main(list).contains("prices") && main(list).contains("maker"))
        #expect(main(try await bench.read("/assets?search=BUCKET")).contains("1–1 of 1"))
        #expect(main(try await bench.read("/assets?search=none")).contains("No asset has that"))
        let page = try await bench.read(PagePath.asset(name))
        #expect(main(page).contains("maker") && main(page).contains("reader") && main(page).contains("turner"))
        let graph = try await bench.read("/assets/graph")
        #expect(main(graph).contains("lead back") && graph.elements.filter { $0.name == "svg" }.count == 1)
        let nodes = graph.elements.filter { $0.name == "a" && $0.attributes["class"]?.hasPrefix("node") == true }
        #expect(nodes.contains { $0.attributes["href"] == PagePath.asset(name) })
        #expect(nodes.contains { $0.attributes["href"] == "/dags/turner" })
        #expect(main(try await bench.read("/assets/graph?around=prices")).contains("rates"))
        #expect(main(try await bench.read("/assets/graph?around=%3Cb%3E")).contains("no asset and no DAG '<b>'"))
        let prices = try await bench.read("/assets/of/prices")
        #expect(main(prices).contains("rates") && main(prices).contains("1 updates are kept"))
        #expect(try await bench.page("/assets/of/nothing").status == 404)
        #expect(main(try await bench.read("/dags/reader/details")).contains("its updates start runs"))
        try await bench.end()
    }

    @Test("Updates of an asset are told page by page, with the runs that each has started")
    func updates() async throws {
        let bench = try await RESTBench()
        try await bench.api.metastore.write { transaction in
            for number in 0..<120 {
                _ = try transaction.emit([
                    NewEvent(name: Asset.eventName, key: "prices", payload: ["n": .integer(Int64(number))])
                ])
            }
        }
        var (found, path): (Int, String?) = (0, "/assets/of/prices")
        for _ in 0..<4 {
            guard let next = path else { break }
            let check = try await bench.read(next)
            found += check.elements.filter { $0.name == "time" && $0.around.contains("tbody") }.count
            path = check.elements.first { $0.attributes["rel"] == "next" }?.attributes["href"]
        }
        #expect(found == 121 && path == nil)
        try await bench.end()
    }

    @Test("A backfill is shown before it is begun, begun once, paused, and cancelled; what is wrong is told")
    func backfills() async throws {
        let bench = try await RESTBench()
        let list = try await bench.read("/backfills")
        #expect(main(list).contains("rates") && main(list).contains("running"))
        let id = try #require(try await bench.api.metastore.read { try $0.backfills(limit: 1).first }).backfillID
        #expect(main(try await bench.read("/backfills/\(id)")).contains("by anna"))
        func act(_ what: String) async throws -> WebClient.Answer {
            try await bench.post("/backfills/\(id)/act", [("do", what)])
        }
        #expect(try await act("pause").status == 303)
        #expect(main(try await bench.read("/backfills/\(id)")).contains("paused"))
        #expect(try await act("unpause").status == 303)
        #expect(try await act("dance").status == 400)
        #expect(try await bench.post("/backfills/9/act", [("do", "pause")]).status == 404)
        let form = [("from", "2026-08-01"), ("to", "2026-08-05"), ("max_active_runs", "2"), ("params", "")]
        func send(_ what: String, _ more: [(String, String)] = []) async throws -> WebClient.Answer {
            try await bench.post("/dags/rates/backfill", more + form + [("do", what)])
        }
        let plan = try await send("plan")
        #expect(plan.status == 200 && plan.body.contains("Yes, begin it with 5 runs"), "\(plan)")
        #expect(MarkupCheck(plan.body).faults.isEmpty, "\(MarkupCheck(plan.body).faults)")
        let early = try await send("create")
        #expect(early.status == 400 && early.body.contains("role=\"alert\""), "one is under way: \(early)")
        #expect(try await act("cancel").status == 303)
        try await bench.advance()
        for (what, more) in [
            ("create", [("from", "yesterday")]), ("create", [("from", "2026-08-09")]), ("plan", [("to", "2036-01-01")]),
            ("create", [("params", "[")]), ("create", [("max_active_runs", "0")]), ("create", [("reprocess", "<b>")]),
        ] {
            let answer = try await send(what, more)
            #expect(answer.status == 400 && MarkupCheck(answer.body).faults.isEmpty, "\(more): \(answer)")
        }
        let rows = try await bench.api.metastore.read { try $0.backfills(limit: 9) }
        #expect(rows.count == 1)
        try await bench.end()
    }

    @Test("Who sees and steers one DAG alone sees and steers its pages, its waits and its backfills, and no others")
    func reach() async throws {
        let bench = try await RESTBench()
        let rights = AccessRights(.nothing, grants: [try AccessGrant(.operator, of: "rates")])
        let mine = ["Authorization": "Bearer \(try await bench.api.makeToken("t", rights))"]
        let looks = AccessRights(.nothing, grants: [try AccessGrant(.viewer, of: "orders")])
        let other = ["Authorization": "Bearer \(try await bench.api.makeToken("o", looks))"]
        let backfill = try #require(try await bench.api.metastore.read { try $0.backfills(limit: 1).first }).backfillID
        let wait = try #require(try await bench.waits().first).waitID
        for (path, status, others) in [
            ("/dags/rates/versions", 200, 403), ("/dags/rates/definition", 200, 403),
            ("/dags/rates/backfill", 200, 403),
            ("/dags/orders/versions", 403, 200), ("/backfills", 200, 200), ("/backfills/\(backfill)", 200, 404),
            ("/assets", 403, 403), ("/assets/graph", 403, 403), ("/assets/of/prices", 403, 403),
            ("/deferred", 200, 200), ("/deferred/\(wait)", 404, 200),
        ] {
            #expect(try await bench.page(path, mine).status == status, "\(path)")
            #expect(try await bench.page(path, other).status == others, "\(path) of others")
        }
        #expect(!(try await bench.page("/backfills", other).body.contains("rates")))
        #expect(!(try await bench.page("/deferred", mine).body.contains("orders")))
        let shown = try await bench.page("/deferred", other).body
        #expect(shown.contains("orders") && !shown.contains("name=\"do\"") && !shown.contains("waits in all"))
        func post(_ path: String, _ form: [(String, String)], _ who: [String: String]) async throws -> Int {
            try await bench.post(path, form, who).status
        }
        #expect(try await post("/backfills/\(backfill)/act", [("do", "pause")], other) == 403)
        #expect(try await post("/dags/rates/backfill", [("do", "plan")], other) == 403)
        #expect(try await post("/deferred/act", [("do", "cancel"), ("wait", "\(wait)")], other) == 403)
        // To somebody who does not see it, it is not there.
        #expect(try await post("/deferred/act", [("do", "cancel"), ("wait", "\(wait)")], mine) == 303)
        #expect(try await post("/deferred/act", [("do", "cancel"), ("scope", "matching")], mine) == 303)
        #expect(try await bench.waits().contains { $0.waitID == wait })
        #expect(try await post("/backfills/\(backfill)/act", [("do", "pause")], mine) == 303)
        try await bench.end()
    }
}

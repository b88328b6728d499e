// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore

@Suite("Texts that are kept: filled in fields, and the files of DAGs", .onEveryGround)
struct TextStoreTests {
    private func rendered(_ task: ClaimedTask, _ fields: [(String, String)], dispatch: Int64? = nil) -> RenderedRecord {
        RenderedRecord(
            taskInstanceID: task.taskInstanceID, dispatchID: dispatch ?? task.dispatchID,
            fields: fields.map { RenderedText(name: $0.0, text: $0.1) })
    }

    private func fields(_ stage: Stage, _ run: RunRow, _ taskID: String, try number: Int? = nil) async throws
        -> [String]
    {
        try await stage.store.read { snapshot in
            let key = TaskInstanceKey(dagID: run.dagID, runID: run.runID, taskID: taskID)
            guard let row = try snapshot.taskInstance(key) else { return ["no instance"] }
            let tasks = try snapshot.definition(ofVersion: run.versionID).tasks
            guard let task = tasks.first(where: { $0.taskID == taskID }) else { return ["no task"] }
            return try snapshot.renderedFields(of: row, task: task, tryNumber: number ?? row.tryNumber).map {
                "\($0.name)=\($0.text)"
            }
        }
    }

    private func count(_ stage: Stage, _ sql: StaticString) async throws -> Int64? {
        try await stage.store.read { try $0.number(sql) }
    }

    @Test("fields belong to the try of the current dispatch, stay with it, and go with the run") func fields()
        async throws
    {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a") { $0.retries = 1 }]))
        let run = try await stage.trigger("d")
        let task = try #require(try await stage.claim().first)
        let records = [
            rendered(task, [("command", "echo 1"), ("environment.A", "x")]),
            rendered(task, [("command", "not this one")], dispatch: task.dispatchID + 1),
        ]
        try await stage.store.write { try $0.recordRendered(records) }
        #expect(try await fields(stage, run, "a") == ["command=echo 1", "environment.A=x"])
        // A later dispatch of the try fills one field in anew.
        let again = rendered(task, [("command", "echo '☕'")])
        try await stage.store.write { try $0.recordRendered([again]) }
        #expect(try await fields(stage, run, "a") == ["command=echo '☕'", "environment.A=x"])
        try await stage.finish(task, .failure(message: "no", retryable: true))
        stage.clock.advance(.seconds(3_600))
        _ = try await stage.store.write { try $0.retryDue(limit: 10) }
        #expect(try await fields(stage, run, "a", try: 1) == ["command=echo '☕'", "environment.A=x"])
        // What comes after the end of the dispatch is not kept.
        try await stage.store.write { try $0.recordRendered([rendered(task, [("late", "1")])]) }
        #expect(try await count(stage, "SELECT COUNT(*) FROM rendered_field") == 2)
        _ = try await stage.store.write { try $0.cancelRun(dagID: "d", runID: "r1", by: "anna") }
        #expect(try await stage.faults() == [])
        stage.clock.advance(.seconds(3_600))
        let now = stage.clock.now
        while try await stage.store.write({ try $0.clean(runsBefore: now, eventsBefore: nil, limit: 100) }) {}
        #expect(try await count(stage, "SELECT COUNT(*) FROM rendered_field") == 0)
        #expect(try await stage.faults() == [])
    }

    @Test("what a sensor and a start wait for stands filled in while it waits and afterwards, and costs nothing more")
    func waits() async throws {
        let stage = try await Stage()
        var late = TaskDefinition.code("late")
        late.start = StartDefinition(trigger: .file("/start/{{ params.x }}"))
        let sensor = TaskDefinition.sensor("landed", .file("/in/{{ params.x }}"))
        var dag = DAGDefinition(dagID: "d", tasks: [sensor, late])
        dag.params = ["x": "1"]
        try await stage.deploy(dag)
        let run = try await stage.trigger("d", params: ["x": "7"])
        #expect(try await fields(stage, run, "landed") == ["target=/in/7", "path=/in/7"])
        #expect(try await fields(stage, run, "late") == ["start.target=/start/7", "start.path=/start/7"])
        for wait in try await stage.waits() { #expect(try await stage.fire(wait.waitID)) }
        #expect(try await fields(stage, run, "landed") == ["target=/in/7", "path=/in/7"])
        #expect(try await fields(stage, run, "late") == ["start.target=/start/7", "start.path=/start/7"])
        #expect(try await count(stage, "SELECT COUNT(*) FROM rendered_field") == 0)
    }

    private func dag(_ id: String, retries: Int = 0) -> DAGDefinition {
        DAGDefinition(dagID: id, tasks: [.code("a") { $0.retries = retries }])
    }

    private func store(_ stage: Stage, _ dags: [DAGDefinition], _ version: String, _ sources: [DAGSourceText])
        async throws
    {
        try await stage.store.write {
            try $0.storeDAGs(dags, bundle: "default", bundleVersion: version, sources: sources)
        }
    }

    private func source(_ stage: Stage, _ dagID: String, version: Int? = nil) async throws -> String? {
        try await stage.store.read { snapshot in
            try snapshot.source(ofVersion: try snapshot.knownVersion(dagID, version).versionID)
                .map { "\($0.path): \($0.text)" }
        }
    }

    @Test("a text is stored once for all that have it, belongs to the version, and goes with the last of them")
    func sources() async throws {
        let stage = try await Stage()
        let both = DAGSourceText(path: "a.yaml", text: "one", dagIDs: ["a", "b"])
        try await store(stage, [dag("a"), dag("b"), dag("c")], "1", [both])
        #expect(try await source(stage, "a") == "a.yaml: one")
        #expect(try await source(stage, "c") == nil)
        #expect(try await count(stage, "SELECT COUNT(*) FROM dag_source") == 1)
        // Another version of one of them has another text; the older one keeps its own.
        let other = DAGSourceText(path: "b.yaml", text: "two", dagIDs: ["b"])
        let first = DAGSourceText(path: "a.yaml", text: "one", dagIDs: ["a"])
        try await store(stage, [dag("a"), dag("b", retries: 3), dag("c")], "2", [first, other])
        #expect(try await source(stage, "b", version: 1) == "a.yaml: one")
        #expect(try await source(stage, "b") == "b.yaml: two")
        // The same definition with another text, a comment: no version, and the newer text.
        let comment = DAGSourceText(path: "b.yaml", text: "two # more", dagIDs: ["b"])
        try await store(stage, [dag("a"), dag("b", retries: 3), dag("c")], "3", [first, comment])
        #expect(try await source(stage, "b") == "b.yaml: two # more")
        #expect(try await stage.store.read { try $0.versions(dagID: "b").count } == 2)
        #expect(try await count(stage, "SELECT COUNT(*) FROM dag_source") == 2)
        #expect(try await stage.faults() == [])
        for id in ["a", "b"] {
            try await stage.store.write { try $0.beginRemoval(ofDAG: id) }
            while true {
                let removal = try await stage.store.write { try $0.removeDAG(id, by: "anna", limit: 1) }
                if removal == .done { break }
            }
        }
        #expect(try await count(stage, "SELECT COUNT(*) FROM dag_source") == 0)
        #expect(try await stage.faults() == [])
    }

    @Test("a build that has the text no more keeps it, and another build without one has none")
    func withoutText() async throws {
        let stage = try await Stage()
        let text = DAGSourceText(path: "a.swift", text: "let a = 1", dagIDs: ["a"])
        try await store(stage, [dag("a")], "1", [text])
        try await store(stage, [dag("a")], "1", [])
        #expect(try await source(stage, "a") == "a.swift: let a = 1")
        try await store(stage, [dag("a")], "2", [])
        #expect(try await source(stage, "a") == nil)
        #expect(try await count(stage, "SELECT COUNT(*) FROM dag_source") == 0)
        try await store(stage, [dag("a")], "3", [text])
        #expect(try await source(stage, "a") == "a.swift: let a = 1")
        #expect(try await stage.faults() == [])
    }

    @Test("texts that belong to nothing, and versions whose text is gone, are found by the check") func damage()
        async throws
    {
        let stage = try await Stage()
        try await store(stage, [dag("a")], "1", [DAGSourceText(path: "a", text: "b", dagIDs: ["a"])])
        try await stage.store.write { transaction in
            _ = try transaction.run("UPDATE dag_source SET content_hash = 'x'")
            _ = try transaction.run(
                "INSERT INTO rendered_field (ti_id, try_number, name, position, value) VALUES (7, 1, 'a', 0, 'b')")
        }
        let faults = try await stage.faults()
        #expect(faults.contains { $0.hasPrefix("2 texts of files belong to no version") }, "\(faults)")
        #expect(faults.contains("1 filled in fields belong to no task instance"), "\(faults)")
    }
}

/// The same numbers in every run.
private struct Numbers: RandomNumberGenerator {
    private var state: UInt64 = 1

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ (state >> 29)
    }
}

@Suite("What differs between two texts")
struct SourceDifferenceTests {
    private func difference(_ old: String, _ new: String) -> [[String]] {
        SourceDifference(from: VersionSource(path: "a", text: old), to: VersionSource(path: "a", text: new)).parts.map {
            $0.map { "\($0.kind.rawValue)\($0.text)" }
        }
    }

    @Test("lines that differ stand with some around them, near ones in one part") func parts() {
        #expect(difference("a\nb\n", "a\nb\n").isEmpty)
        #expect(difference("a\nb\n", "a\nb").isEmpty)
        #expect(difference("", "a\n") == [["+a"]])
        #expect(difference("a\nb\nc\n", "a\nx\nc\n") == [[" a", "-b", "+x", " c"]])
        let old = (1...30).map { "\($0)" }
        var new = old
        new[4] = "five"
        new[8] = "nine"
        new[25] = "x"
        let parts = difference(old.joined(separator: "\n"), new.joined(separator: "\n"))
        #expect(parts.count == 2)
        #expect(parts[0] == [" 2", " 3", " 4", "-5", "+five", " 6", " 7", " 8", "-9", "+nine", " 10", " 11", " 12"])
        #expect(parts[1] == [" 23", " 24", " 25", "-26", "+x", " 27", " 28", " 29"])
    }

    @Test("with the lines of one part the older text becomes the newer, whatever was done to it") func applied() {
        var generator = Numbers()
        for _ in 0..<200 {
            let old = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
                "\(Int.random(in: 0...25, using: &generator))"
            }
            var new = old
            for _ in 0..<Int.random(in: 0...8, using: &generator) {
                switch Int.random(in: 0...2, using: &generator) {
                case 0 where !new.isEmpty: new.remove(at: Int.random(in: new.indices, using: &generator))
                case 1: new.insert("new", at: Int.random(in: 0...new.count, using: &generator))
                default: if !new.isEmpty { new.append(new.removeFirst()) }
                }
            }
            let difference = SourceDifference(
                from: VersionSource(path: "a", text: old.map { $0 + "\n" }.joined()),
                to: VersionSource(path: "b", text: new.map { $0 + "\n" }.joined()))
            var made = old.map(Optional.some)
            var added: [Int: String] = [:]
            for line in difference.parts.joined() {
                if line.kind == .removed, let place = line.old { made[place - 1] = nil }
                if line.kind == .added, let place = line.new { added[place - 1] = line.text }
            }
            var rest = made.compactMap(\.self)[...]
            var result: [String] = []
            while result.count < new.count {
                if let text = added[result.count] { result.append(text) } else { result.append(rest.popFirst() ?? "?") }
            }
            #expect(result == new && rest.isEmpty, "\(old) \(new)")
        }
    }

    @Test("of long texts that have nothing in common all lines differ, soon") func long() {
        let old = (0..<20_000).map { "a \($0 % 7)" }.joined(separator: "\n")
        let new = (0..<20_000).map { "b \($0 % 7)" }.joined(separator: "\n")
        #expect(difference(old, new).joined().count == 40_000)
    }
}

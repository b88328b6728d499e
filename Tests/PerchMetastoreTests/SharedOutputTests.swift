// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore
@testable import PerchOutputs

@Suite("Long outputs in the metastore", .onEveryGround)
struct SharedOutputTests {
    /// A task that has given a long output: its file is not in this home.
    private func stage() async throws -> (Stage, ClaimedTask, OutputKeeping, Shelf) {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: [.code("a"), .code("b", after: [0]) { $0.mappedOver = 0 }]))
        _ = try await stage.trigger("d")
        let task = try #require(try await stage.claim().first)
        let shelf = Shelf()
        return (stage, task, OutputKeeping(store: shelf, inlineSize: 10), shelf)
    }

    /// The files of another machine.
    private final class Shelf: OutputStore, @unchecked Sendable {  // because a test has one thread
        var files: [String: [UInt8]] = [:]

        func write(_ bytes: [UInt8], as name: String) throws { files[name] = bytes }
        func read(_ name: String, from offset: Int, count: Int) throws -> [UInt8] {
            Array((files[name] ?? []).dropFirst(offset).prefix(count))
        }
    }

    private static let name = "dag_id=d/run_id=r1/task_id=a/attempt=1.dispatch=7.json"

    @Test("an output whose file is in another home is read from the metastore, as a whole and by elements")
    func read() async throws {
        let (stage, task, keeping, shelf) = try await stage()
        let items = ["\"short\"", "\"\(String(repeating: "ü", count: 40))\""]
        let kept = try keeping.kept("[\(items.joined(separator: ","))]", items: items, as: Self.name)
        #expect(try await stage.store.read { try $0.sharedOutput(Self.name) } == nil)
        await #expect(throws: PerchError.self) { try await stage.store.read { try $0.value(ofOutput: kept.output) } }
        let text = String(decoding: try #require(shelf.files[Self.name]), as: UTF8.self)
        let pieces = [String(text.prefix(5)), String(text.dropFirst(5))]
        for _ in 1...2 {
            let isTaken = try await stage.store.write {
                try $0.storeOutput(
                    Self.name, taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID, from: 0, pieces)
            }
            #expect(isTaken)
        }
        #expect(try await stage.store.read { try $0.sharedOutput(Self.name) } == Array(text.utf8))
        #expect(try await stage.store.read { try $0.value(ofOutput: kept.output) } == text)
        let elements = try #require(kept.items)
        let texts = try await stage.store.read { snapshot in try elements.map { try snapshot.value(ofOutput: $0) } }
        #expect(texts == items)
        #expect(try await stage.succeed(task, output: kept.output, items: kept.items))
        // A reference to what is not there is not read past the end of the file.
        let wrong = OutputText.reference(
            OutputReference(name: Self.name, offset: .max, size: .max, hash: "0000000000000000")
        ).text
        await #expect(throws: PerchError.self) { try await stage.store.read { try $0.value(ofOutput: wrong) } }
        #expect(try await stage.faults() == [])
    }

    @Test("a dispatch that is not the current one stores nothing") func stale() async throws {
        let (stage, task, _, _) = try await stage()
        let (id, dispatch) = (task.taskInstanceID, task.dispatchID)
        func store(_ dispatch: Int64) async throws -> Bool {
            try await stage.store.write {
                try $0.storeOutput(Self.name, taskInstanceID: id, dispatchID: dispatch, from: 0, ["[1]"])
            }
        }
        #expect(try await store(dispatch + 1) == false)
        try await stage.succeed(task)
        #expect(try await store(dispatch) == false)
        #expect(try await stage.store.read { try $0.sharedOutput(Self.name) } == nil)
    }

    @Test("it goes with its run") func goes() async throws {
        let (stage, task, _, _) = try await stage()
        let taken = try await stage.store.write {
            try $0.storeOutput(
                Self.name, taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID, from: 0, ["[", "]"])
        }
        #expect(taken)
        try await stage.succeed(task, output: "[]", items: [])
        stage.clock.advance(.seconds(10))
        let now = stage.clock.now
        func clean() async throws -> Bool {
            try await stage.store.write { try $0.clean(runsBefore: now, eventsBefore: nil, limit: 2) }
        }
        for _ in 0..<20 where try await clean() {}
        #expect(try await stage.store.read { try $0.sharedOutput(Self.name) } == nil)
        #expect(try await stage.faults() == [])
    }
}

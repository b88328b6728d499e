// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchOutputs
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchCLI

@Suite("A copy of a home can be restored whole")
struct BackupTests {
    private static let long = "\"" + String(repeating: "long ", count: 40_000) + "\""

    /// A home with a run of which one output lies in a file.
    private func home() async throws -> StagedHome {
        let home = try StagedHome()
        try await home.deploy(.code("d", ("a", []), ("b", [0])))
        try await home.trigger("d", "r")
        let keeping = OutputKeeping(store: FileOutputStore(directory: home.folder.path + "/outputs"))
        let kept = try keeping.kept(
            Self.long, items: nil,
            as: OutputPath.directory(dagID: "d", runID: "r", taskID: "a", mapIndex: -1) + "/attempt=1.dispatch=1.json"
        ).output
        try await home.work { .success(output: $0.key.taskID == "a" ? kept : "1", items: nil) }
        return home
    }

    private func output(in home: String) async throws -> String {
        let store = try Metastore.open(home: home, access: .engine, clock: SystemClock())
        defer { #expect(throws: Never.self) { try store.close() } }
        return try await store.read { snapshot in
            let key = TaskInstanceKey(dagID: "d", runID: "r", taskID: "a")
            return try snapshot.value(ofOutput: #require(snapshot.taskInstance(key)?.output))
        }
    }

    @Test("the metastore and the long outputs are copied, said, and read where they are restored")
    func restored() async throws {
        let home = try await home()
        defer { home.folder.remove() }
        let copy = home.folder.path + "/monday.db"
        let outcome = try home.program("db", "backup", copy)
        #expect(outcome.code == 0 && outcome.lines == [copy, copy + ".outputs"], "\(outcome)")
        #expect(outcome.errors.contains("1 file of \(Self.long.utf8.count) bytes"), "\(outcome)")
        let restored = home.folder.path + "/restored"
        try FileManager.default.createDirectory(atPath: restored, withIntermediateDirectories: false)
        try FileManager.default.moveItem(atPath: copy, toPath: restored + "/perch.db")
        try FileManager.default.moveItem(atPath: copy + ".outputs", toPath: restored + "/outputs")
        try FileManager.default.removeItem(atPath: home.folder.path + "/outputs")
        #expect(try await output(in: restored) == Self.long)
        #expect(try home.program("db", "check", "--home", restored).code == 0)
        await #expect(throws: PerchError.self) { try await output(in: home.folder.path) }
    }

    @Test("nothing is overwritten, and what cannot be written leaves nothing behind")
    func refused() async throws {
        let home = try await home()
        defer { home.folder.remove() }
        let folder = home.folder.path + "/copies"
        try FileManager.default.createDirectory(atPath: folder + "/old.db.outputs", withIntermediateDirectories: true)
        try home.refuses("old.db.outputs is there already", "db", "backup", folder + "/old.db")
        try Data().write(to: URL(fileURLWithPath: folder + "/new.db"))
        try home.refuses("new.db is there already", "db", "backup", folder + "/new.db")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["new.db", "old.db.outputs"])
        try home.refuses("there is no directory", "db", "backup", home.folder.path + "/nowhere/a.db")
        #expect(!FileManager.default.fileExists(atPath: home.folder.path + "/nowhere"))
    }

    @Test("without long outputs there is the metastore alone, and that is said")
    func short() async throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        let outcome = try home.program("db", "backup", home.folder.path + "/copy.db")
        #expect(outcome.code == 0 && outcome.lines.count == 1, "\(outcome)")
        #expect(outcome.errors.contains("there are no long outputs"))
        #expect(!FileManager.default.fileExists(atPath: home.folder.path + "/copy.db.outputs"))
    }

    @Test("what is swept while the metastore is copied is in the copy, and so is what comes meanwhile; a part is not")
    func meanwhile() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let store = FileOutputStore(directory: folder.path + "/outputs")
        try store.write([0x31], as: "dag_id=d/run_id=r/task_id=a/attempt=1.dispatch=1.json")
        let half = folder.path + "/outputs/dag_id=d/run_id=r/task_id=a/attempt=1.dispatch=2.json.part"
        try Data([0x30]).write(to: URL(fileURLWithPath: half))
        // Of a copy that broke off.
        let left = FileOutputStore(directory: folder.path + "/copy.db.outputs.partial")
        try left.write([0x39], as: "dag_id=old/run_id=r/task_id=a/attempt=1.dispatch=1.json")
        let backup = try OutputsBackup(of: store.directory, besides: folder.path + "/copy.db")
        try backup.proceed()
        try FileManager.default.removeItem(atPath: folder.path + "/outputs/dag_id=d/run_id=r")
        try store.write([0x32, 0x33], as: "dag_id=d/run_id=s/task_id=a/map_index=3/attempt=1.dispatch=3.json")
        try backup.proceed()
        try backup.finish()
        #expect(backup.count == 2 && backup.bytes == 3)
        let copied = FileManager.default.enumerator(atPath: backup.path)?.compactMap { $0 as? String } ?? []
        #expect(
            copied.filter { $0.contains("attempt=") }.sorted() == [
                "dag_id=d/run_id=r/task_id=a/attempt=1.dispatch=1.json",
                "dag_id=d/run_id=s/task_id=a/map_index=3/attempt=1.dispatch=3.json",
            ])
    }
}

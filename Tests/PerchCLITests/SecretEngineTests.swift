// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import PerchVault
import ProgramTestSupport
import Testing

@Suite("Secrets in a standalone, with a real bundle process", .timeLimit(.minutes(3)))
struct SecretEngineTests {
    /// Everything that lies in a folder, by path.
    private func files(_ folder: String) throws -> [String: Data] {
        var found: [String: Data] = [:]
        for path in FileManager.default.enumerator(atPath: folder)?.compactMap({ $0 as? String }) ?? [] {
            if let data = FileManager.default.contents(atPath: folder + "/" + path) { found[path] = data }
        }
        return found
    }

    @Test("code reads them, sensors see plain variables, and nothing secret stands in any log, message or file")
    func engine() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let home = folder.path + "/home"
        let file = folder.path + "/secrets.json"
        try Data(#"{"connections": {"elsewhere": "http://x:from-the-file@y"}}"#.utf8).write(to: URL(filePath: file))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        let program = Program(
            "trial-bundle",
            environment: [
                "PERCH_HOME": home, "PERCH__SECRETS__KEY": KeyRing.newKey(), "PERCH__SECRETS__FILE": file,
                "PERCH_VAR_API_TOKEN": "from-the-environment",
            ])
        #expect(try program("db", "migrate").code == 0)
        #expect(
            try program("connections", "add", "orders", "--stdin", input: "http://me:hunter2-x@db.example").code == 0)
        #expect(try program("variables", "set", "folder", folder.path).code == 0)
        let engine = try RunningEngine(program, home: home, log: folder.path + "/engine.log")
        defer { engine.stop() }
        #expect(try program("dags", "trigger", "secretive", "--run-id", "first").code == 0)
        for task in ["tells", "shell", "argument"] {
            _ = try program("tasks", "logs", "secretive", "first", task, "--follow")
        }
        try Data("x".utf8).write(to: URL(filePath: folder.path + "/go"))
        _ = try program("tasks", "logs", "secretive", "first", "landed", "--follow")
        let tells = try program("tasks", "logs", "secretive", "first", "tells").output
        for line in ["as me with ***", "token ***", "other ***", "db.example in \(folder.path)", "refused with ***"] {
            #expect(tells.contains(line), "\(line) in \(tells)")
        }
        // What is printed while others run is told by the engine's log.
        #expect((tells + engine.text).contains("printed ***"), "\(tells) \(engine.text)")
        let shell = try program("tasks", "logs", "secretive", "first", "shell").output
        // The engine's key is none of the bundle's business.
        #expect(shell.contains("as ***") && shell.contains(" 0"), "\(shell)")
        let argument = try program("tasks", "logs", "secretive", "first", "argument").output
        #expect(argument.contains("may not be an argument"), "\(argument)")
        let states = try program("tasks", "states", "secretive", "first", "-o", "json").output
        #expect(states.contains("refused with ***") && !states.contains("hunter2-x"), "\(states)")
        engine.stop()
        for (path, data) in try files(home) {
            for word in ["hunter2-x", "from-the-file", "from-the-environment"] {
                #expect(data.range(of: Data(word.utf8)) == nil, "\(word) in \(path)")
            }
        }
        #expect(!engine.text.contains("hunter2-x") && !engine.text.contains("from-the-"), "\(engine.text)")
    }

    @Test("`tasks test` and `dags test` see the home's, the file's and the environment's, and change nothing")
    func trial() throws {
        let folder = try Folder()
        defer { folder.remove() }
        var program = Program(
            "trial-bundle",
            environment: [
                "PERCH_HOME": folder.path + "/home", "PERCH_CONN_ELSEWHERE": "http://x:from-the-environment@y",
                "PERCH_VAR_API_TOKEN": "t0p-secret",
            ])
        let without = try program("tasks", "test", "secretive", "tells")
        #expect(without.code == 1 && without.output.contains("there is no connection 'orders'"), "\(without)")
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/home"))
        #expect(try program("db", "migrate").code == 0)
        #expect(try program("connections", "add", "orders", "--uri", "http://me:hunter2-x@db.example").code == 0)
        #expect(try program("variables", "set", "folder", folder.path).code == 0)
        let tells = try program("tasks", "test", "secretive", "tells")
        #expect(tells.output.contains("as me with ***") && tells.output.contains("refused with ***"), "\(tells)")
        #expect(tells.output.contains("token ***") && tells.output.contains("other ***"))
        try Data("x".utf8).write(to: URL(filePath: folder.path + "/go"))
        let landed = try program("tasks", "test", "secretive", "landed", "--timeout", "60s")
        #expect(landed.code == 0, "\(landed)")
        program.environment["PERCH__SECRETS__KEY"] = KeyRing.newKey()
        let other = try program("tasks", "test", "secretive", "tells")
        #expect(
            other.code == 1 && other.output.contains("not at hand") && !other.output.contains("hunter2-x"), "\(other)")
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchBundle
import PerchMetastore
import PerchSDK
import Testing

@testable import PerchExecutor

@Suite("Under what conditions bundle processes run", .timeLimit(.minutes(2)))
struct ConditionsTests {
    private func surroundings(_ conditions: BundleConditions) async throws -> [String: JSONValue] {
        let engine = try await Engine(conditions: conditions)
        try await engine.executor.start()
        try await engine.begin("surroundings")
        let end = try await engine.end(of: "surroundings")
        try await engine.stop()
        guard case .object(let members) = try JSONValue(parsing: try #require(end.output)) else {
            Issue.record("no object: \(end.output ?? "")")
            return [:]
        }
        return members
    }

    @Test("memory, niceness, directory and variables are as they were set, whatever the bundle does about them")
    func set() async throws {
        var conditions = BundleConditions(memoryLimit: 4 << 30)
        conditions.niceness = 3
        conditions.workingDirectory = "/usr"
        conditions.environment = ["FIXTURE_GIVEN": "a=b c", "LANG": nil, "PATH": "/nowhere"]
        let before = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)
        let found = try await surroundings(conditions)
        #expect(found["data"] == .string(String(4 << 30)))
        #expect(found["nice"] == .string(String(min(19, before + 3))))
        #expect(found["directory"] == "/usr" && found["FIXTURE_GIVEN"] == "a=b c" && found["PATH"] == "/nowhere")
        #expect(found["LANG"] == nil)
    }

    @Test("without conditions they find what the engine has") func unset() async throws {
        let found = try await surroundings(BundleConditions())
        #expect(found["directory"] == .string(FileManager.default.currentDirectoryPath))
        #expect(found["uid"] == .string(String(getuid())) && found["FIXTURE_GIVEN"] == nil)
        #expect(found["PATH"] == ProcessInfo.processInfo.environment["PATH"].map { .string($0) })
    }

    @Test("they run as another account, with its groups alone and its home", .enabled(if: geteuid() == 0))
    func user() async throws {
        let user = try #require(try BundleUser.find("65534:65534"))
        var conditions = BundleConditions()
        conditions.user = user
        let launched = try ProcessLauncher(
            home: "/nowhere", executable: "/bin/sh", arguments: ["-c", "id -u; id -g; id -G; echo $HOME"],
            conditions: conditions
        ).start()
        let process = try #require(launched.process)
        var entry = pollfd(fd: process.pidDescriptor, events: Int16(POLLIN), revents: 0)
        #expect(poll(&entry, 1, 30_000) == 1)
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = read(process.output, &buffer, buffer.count)
        let lines = String(decoding: buffer[..<max(0, count)], as: UTF8.self).split(separator: "\n").map(String.init)
        #expect(Array(lines.prefix(3)) == ["65534", "65534", "65534"])
        waitpid(process.pid, nil, 0)
        for descriptor in [launched.socket, process.pidDescriptor, process.output, process.error] { close(descriptor) }
    }

    @Test(
        "an account that is none is refused in words that name the setting",
        arguments: [
            ("", "name or name:group"), (":", "name or"), ("no-such-account", "no account"),
            ("root:nogrp7", "no group"),
        ])
    func wrongUsers(text: String, words: String) {
        let error = #expect(throws: PerchError.self) { try BundleUser.find(text) }
        #expect(error?.message.hasPrefix("bundle.user") == true && error?.message.contains(words) == true)
    }

    @Test("what cannot be kept is said with the setting, and nothing is left of the start") func refused() throws {
        var conditions = BundleConditions()
        conditions.workingDirectory = "/nowhere/at/all"
        func words(_ conditions: BundleConditions, executable: String = "/bin/true") -> String {
            let launcher = ProcessLauncher(home: "/nowhere", executable: executable, conditions: conditions)
            let error = #expect(throws: PerchError.self) { try launcher.start() }
            return error?.description ?? ""
        }
        #expect(words(conditions).contains("with bundle.working_directory"), "\(words(conditions))")
        // The other way to start a process says it itself.
        conditions.niceness = 1
        #expect(words(conditions).contains("with bundle.working_directory: /nowhere/at/all: No such file"))
        #expect(
            words(BundleConditions(memoryLimit: 1 << 30), executable: "/nowhere/x").contains("/nowhere/x: No such file")
        )
    }

    @Test("names of variables are checked, and no value is repeated") func variables() {
        for name in ["", "1A", "A-B", "A=B", "Ä", "PERCH_BUNDLE_MARK", "PERCH__CORE__X"] {
            #expect(BundleConditions.problem(of: name, "geheim")?.contains("geheim") == false, "\(name)")
        }
        #expect(BundleConditions.problem(of: "A", "a\0b") != nil)
        #expect(BundleConditions.problem(of: "_a1", "") == nil && BundleConditions.problem(of: "A", nil) == nil)
    }
}

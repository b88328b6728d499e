// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import PerchSDK
import ProgramTestSupport
import Testing

/// A unit of systemd, as far as it is looked at.
private struct Unit {
    let name: String
    private let entries: [(key: String, value: String)]
    let text: String

    init(_ url: URL) throws {
        name = url.lastPathComponent
        text = try String(contentsOf: url, encoding: .utf8)
        entries = text.split(separator: "\n").filter { !$0.hasPrefix("#") && !$0.hasPrefix("[") }.compactMap { line in
            let sides = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return sides.count == 2 ? (String(sides[0]), String(sides[1])) : nil
        }
    }

    func all(_ key: String) -> [String] { entries.filter { $0.key == key }.map(\.value) }
    func one(_ key: String) throws -> String {
        let found = all(key)
        guard found.count == 1 else { throw RunningEngineError(description: "\(name) has \(found.count) of \(key)") }
        return found[0]
    }
}

@Suite("What runs Perch as a service", .timeLimit(.minutes(2)))
struct DeployTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../examples/deploy").standardized
    private static let program = "/usr/local/bin/perch"
    /// What a worker gives running tasks when it ends.
    private static let drain = 10

    private static func units() throws -> [Unit] {
        try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "service" }.sorted { $0.path < $1.path }.map { try Unit($0) }
    }

    /// The command is one of the program's, and has every option that follows.
    private static func check(_ words: [String], _ place: String) throws {
        var command = Array(words.prefix { !$0.hasPrefix("-") })
        var help = try Program("perch").run(command + ["--help"])
        // A group that does something by itself has a command for that.
        if help.output.contains("run (default)") {
            command.append("run")
            help = try Program("perch").run(command + ["--help"])
        }
        #expect(help.code == 0 && help.output.contains("USAGE: perch \(command.joined(separator: " "))"), "\(place)")
        for option in words where option.hasPrefix("--") {
            #expect(help.output.contains("\(option) "), "\(place): '\(command)' has no \(option)")
        }
    }

    /// What follows the `perch` of a line that calls it.
    private static func arguments(_ line: Substring, after mark: String) -> [String]? {
        guard let range = line.range(of: mark) else { return nil }
        return line[range.upperBound...].split(separator: " ").map(String.init)
    }

    @Test("every unit runs a command that there is, stops it as it wants to be stopped, and shows no secret")
    func units() throws {
        let units = try Self.units()
        #expect(
            units.map(\.name) == [
                "perch-api-server.service", "perch-scheduler.service", "perch-triggerer.service",
                "perch-worker@.service",
            ])
        for unit in units {
            let words = try unit.one("ExecStart").replacing("%i", with: "default").split(separator: " ").map(
                String.init)
            #expect(words.first == Self.program)
            try Self.check(Array(words.dropFirst()), unit.name)
            #expect(try unit.one("Restart") == "always" && unit.one("Type") == "exec", "\(unit.name)")
            #expect(try unit.one("KillSignal") == "SIGTERM" && unit.one("StartLimitIntervalSec") == "0")
            #expect(["mixed", "process"].contains(try unit.one("KillMode")), "\(unit.name): bundles are told to end")
            #expect(try Int(unit.one("TimeoutStopSec")) ?? 0 > Self.drain, "\(unit.name)")
            #expect(try Int(unit.one("LimitNOFILE")) ?? 0 >= 4_096 && unit.one("User") == "perch", "\(unit.name)")
            #expect(try unit.one("NoNewPrivileges") == "yes" && unit.one("ProtectSystem") == "strict")
            // Everybody can read a unit and a process list.
            #expect(unit.all("EnvironmentFile").first == "/etc/perch/perch.env")
            #expect(!unit.text.contains("postgresql://") && !words.contains("--metastore"), "\(unit.name)")
            for home in unit.all("Environment") {
                let state = try unit.one("StateDirectory")
                #expect(home == "PERCH_HOME=/var/lib/\(state)", "\(unit.name)")
            }
        }
        // No two listen at one port.
        let ports = units.compactMap { $0.all("ExecStart").first?.split(separator: ":").last }
        #expect(Set(ports).count == ports.count, "\(ports)")
    }

    @Test("systemd finds nothing wrong with them", .enabled(if: access("/usr/bin/systemd-analyze", X_OK) == 0))
    func verified() throws {
        let place = try Folder()
        defer { place.remove() }
        let paths = try Self.units().map { unit in
            let path = place.path + "/" + unit.name.replacing("@", with: "@default")
            let text = unit.text.replacing(Self.program, with: Program("perch").path)
            try Data(text.utf8).write(to: URL(filePath: path))
            return path
        }
        // What is wrong with the units of this machine is none of ours.
        let said = try Self.verify(paths, in: place)
        #expect(!said.contains(place.path), "\(said)")
        // It does look: a unit with a fault in it is told.
        let wrong = place.path + "/wrong.service"
        try Data("[Service]\nExecStart=/bin/true\nNoSuchKey=1\n".utf8).write(to: URL(filePath: wrong))
        let told = try Self.verify([wrong], in: place)
        #expect(told.contains(wrong) && told.contains("NoSuchKey"), "\(told)")
    }

    private static func verify(_ units: [String], in place: Folder) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/systemd-analyze")
        process.arguments = ["verify", "--man=no"] + units
        let log = place.path + "/log"
        try Data().write(to: URL(filePath: log))
        process.standardError = try FileHandle(forWritingTo: URL(filePath: log))
        try process.run()
        process.waitUntilExit()
        return try String(contentsOfFile: log, encoding: .utf8)
    }

    @Test("every setting of the environment files is one that there is")
    func environment() throws {
        var variables: [String: String] = [:]
        for name in ["perch.env", "perch-worker@.service", "Containerfile"] {
            let text = try String(contentsOf: Self.folder.appending(path: name), encoding: .utf8)
            for found in text.matches(of: /(PERCH__[A-Z_]+)=([^\s,]+[^\s,.])/) {
                variables[String(found.1)] = String(found.2)
            }
        }
        #expect(variables.count >= 5, "\(variables)")
        let place = try Folder()
        defer { place.remove() }
        variables["PERCH_HOME"] = place.path
        let listed = try Program("perch", environment: variables)("config", "list", "-o", "json")
        #expect(listed.code == 0, "\(listed)")
        for name in variables.keys.sorted() where name.hasPrefix("PERCH__") {
            #expect(listed.output.contains("\"\(name)\""), "\(name) sets nothing: \(listed.output)")
        }
        #expect(!listed.output.contains("change-me"))
    }

    @Test("the image runs commands that there are, as somebody who is not root, and hears that it is to stop")
    func image() throws {
        let text = try String(contentsOf: Self.folder.appending(path: "Containerfile"), encoding: .utf8)
        let lines = text.split(separator: "\n")
        #expect(lines.contains(#"ENTRYPOINT ["\#(Self.program)"]"#) && lines.contains("STOPSIGNAL SIGTERM"))
        #expect(lines.contains { $0.hasPrefix("COPY --from=build") && $0.hasSuffix(" \(Self.program)") })
        let command = try #require(lines.first { $0.hasPrefix("CMD ") }).dropFirst("CMD ".count)
        guard case .array(let words) = try JSONValue(parsing: String(command)) else {
            throw RunningEngineError(description: "CMD is no list: \(command)")
        }
        try Self.check(words.compactMap { if case .string(let word) = $0 { word } else { nil } }, "CMD")
        let user = try #require(lines.last { $0.hasPrefix("USER ") }).split(separator: " ")[1]
        #expect(Int(user) ?? 0 > 0)
        // Two stages: what compiles stays behind.
        #expect(lines.count { $0.hasPrefix("FROM ") } == 2)
        var calls = 0
        for line in lines where line.hasPrefix("#") {
            guard let words = Self.arguments(line, after: "podman run "),
                let place = words.firstIndex(of: "perch")
            else { continue }
            calls += 1
            try Self.check(Array(words[(place + 1)...]), String(line))
        }
        #expect(calls == 2)
    }
}

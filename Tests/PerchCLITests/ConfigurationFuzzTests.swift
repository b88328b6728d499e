// SPDX-License-Identifier: Apache-2.0

import FuzzSupport
import PerchSDK
import Testing

@testable import PerchCLI

@Suite("Fuzz: settings")
struct ConfigurationFuzzTests {
    static func value(_ source: inout FuzzSource) -> String {
        source.pick([
            "8", "512MiB", "\(source.integer())", "\(source.integer())GiB", "30s", "1h30m", "info", source.text(),
            "\(TimeSpan(microseconds: source.integer()))",
        ])
    }

    @Test("settings from anywhere are in their bounds, or refused in words that name them") func settings() throws {
        try Fuzz.run("settings", count: 2_000) { source in
            let names = ConfigurationKey.all.map(\.name)
            let flags = source.several(0...2) { source in
                source.mutated(source.pick(names) + "=" + Self.value(&source), with: "core.parallelism=8")
            }
            let section = source.pick(names).split(separator: ".").map(String.init)
            let document = JSONValue.object([
                section[0]: .object([section[1]: source.pick([.string(Self.value(&source)), source.json(depth: 1)])])
            ])
            let file = source.one(in: 3) ? source.mutated(document.text) : source.written(document)
            let environment = source.one(in: 4) ? ["PERCH__\(source.text())": "1"] : [:]
            let configuration = try Fuzz.accepted {
                try Configuration(flags: flags, environment: environment, file: file, path: "config.json")
            }
            guard let configuration else { return }
            for entry in configuration.entries {
                guard let number = configuration.number(entry.key.name) else { continue }
                switch entry.key.kind {
                case .integer(let range): try Fuzz.check(range.contains(number), "\(entry.key.name) is \(number)")
                case .truth: try Fuzz.check((0...1).contains(number), "\(entry.key.name) is \(number)")
                case .address: try Fuzz.check((0...65_535).contains(number), "\(entry.key.name) is \(number)")
                case .path, .secret, .database, .variables, .networks, .httpURL, .words:
                    try Fuzz.check(entry.value != "", "\(entry.key.name) is empty")
                case .bytes, .span: try Fuzz.check(number > 0, "\(entry.key.name) is \(number)")
                case .logLevel: try Fuzz.check((0..<7).contains(number), "\(entry.key.name) is \(number)")
                }
            }
        }
    }

    @Test("found by fuzzing: what is refused is not repeated at length, nor with what a terminal would obey")
    func messages() throws {
        let text = "\u{1B}[2J" + String(repeating: "x", count: 100_000)
        func read(_ flags: [String], _ environment: [String: String], _ file: String) throws {
            #expect(
                try Fuzz.accepted { try Configuration(flags: flags, environment: environment, file: file, path: "c") }
                    == nil)
        }
        try read([text], [:], "{}")
        try read([text + "=1"], [:], "{}")
        try read(["core.parallelism=" + text], [:], "{}")
        try read([], ["PERCH__" + text: "1"], "{}")
        try read([], [:], JSONValue.object([text: 1]).text)
        try read([], [:], JSONValue.object([text: ["a": 1]]).text)
        try read([], [:], JSONValue.object(["core": [text: 1]]).text)
        try read([], [:], JSONValue.object(["core": ["parallelism": .string(text)]]).text)
        try read([], [:], JSONValue.object(["triggerer": ["lease": .string(text)]]).text)
    }
}

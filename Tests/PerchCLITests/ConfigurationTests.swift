// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchCLI

@Suite("Settings")
struct ConfigurationTests {
    private func read(
        _ flags: [String] = [], _ environment: [String: String] = [:], _ file: String? = nil
    ) throws -> Configuration {
        try Configuration(flags: flags, environment: environment, file: file, path: "config.json")
    }

    private func origin(_ configuration: Configuration, _ name: String) -> String? {
        configuration.entries.first { $0.key.name == name }.map { "\($0.value ?? "-") from \($0.origin)" }
    }

    @Test("flags go over the environment, the environment over the file, the file over the default")
    func precedence() throws {
        let file = #"{"core": {"parallelism": 8}, "triggerer": {"lease": "10s"}, "http": {"per_host": 3}}"#
        let environment = ["PERCH__CORE__PARALLELISM": "16", "PERCH__HTTP__PER_HOST": "4", "PERCH_HOME": "/x"]
        let configuration = try read(["core.parallelism=64"], environment, file)
        #expect(origin(configuration, "core.parallelism") == "64 from --set")
        #expect(origin(configuration, "http.per_host") == "4 from PERCH__HTTP__PER_HOST")
        #expect(origin(configuration, "triggerer.lease") == "10s from config.json")
        #expect(origin(configuration, "retention.events_days") == "7 from default")
        #expect(configuration.number("triggerer.lease") == 10_000_000)
        #expect(configuration.number("retention.runs_days") == nil)
    }

    @Test("sizes and lengths of time have units")
    func units() throws {
        #expect(try read(["bundle.memory_limit=512MiB"]).number("bundle.memory_limit") == 512 << 20)
        #expect(try read(["bundle.memory_limit=1024"]).number("bundle.memory_limit") == 1024)
        #expect(try read(["triggerer.lease=1m30s"]).number("triggerer.lease") == 90_000_000)
    }

    @Test("the URL of the metastore is shown without its password, and its truth value is written as one")
    func metastore() throws {
        let configuration = try read(
            [], ["PERCH__METASTORE__URL": "postgresql://u:geheim@db.example/perch"],
            #"{"metastore": {"prepare": false}}"#)
        let url = configuration.entries.first { $0.key.name == "metastore.url" }
        #expect(url?.shown == "postgresql://db.example:5432/perch")
        #expect(configuration.number("metastore.prepare") == 0)
        #expect(try read().number("metastore.prepare") == 1)
    }

    @Test(
        "an unknown key or an ill-typed value is an error that names it",
        arguments: [
            (["core.paralelism=3"], [:], nil, "'core.paralelism'; did you mean 'core.parallelism'?"),
            ([], ["PERCH__CORE__PARALELISM": "3"], nil, "did you mean 'PERCH__CORE__PARALLELISM'?"),
            ([], [:], #"{"cor": {"parallelism": 1}}"#, "did you mean 'core.parallelism'?"),
            (["core.parallelism"], [:], nil, "core.parallelism"),
            (["core.parallelism=none"], [:], nil, "none"),
            (["core.parallelism=0"], [:], nil, "core.parallelism"),
            (["bundle.memory_limit=1XB"], [:], nil, "bundle.memory_limit"),
            (["triggerer.lease=0s"], [:], nil, "triggerer.lease"),
            (["log.level=loud"], [:], nil, "log.level"),
            (["metastore.prepare=perhaps"], [:], nil, "metastore.prepare"),
            (["metastore.url=mysql://h/d"], [:], nil, "metastore.url"),
            (["metastore.url=postgresql://u:pw@h/d"], [:], nil, "PERCH__METASTORE__URL"),
            ([], ["PERCH__METASTORE__URL": "postgresql://u:pw@x@h/d"], nil, "metastore.url"),
            ([], ["PERCH__CORE__X": "3"], nil, "PERCH__CORE__X"),
            ([], ["PERCH__CORE__PARALLELISM": "x"], nil, "PERCH__CORE__PARALLELISM"),
            ([], [:], #"{"core": {"x": 1}}"#, "core.x"),
            ([], [:], #"{"core": {"parallelism": true}}"#, "core.parallelism"),
            ([], [:], #"{"core": 3}"#, "core"),
            ([], [:], "[]", "config.json"),
            ([], [:], "{", "config.json"),
        ] as [([String], [String: String], String?, String)])
    func refusals(flags: [String], environment: [String: String], file: String?, named: String) {
        let error = #expect(throws: PerchError.self) { try read(flags, environment, file) }
        #expect(error?.message.contains(named) == true, "\(error?.message ?? "")")
    }
}

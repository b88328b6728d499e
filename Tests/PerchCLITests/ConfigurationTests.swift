// SPDX-License-Identifier: Apache-2.0

import PerchExecutor
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

    @Test("variables of bundles are an object in the file or the environment, and their values are never shown")
    func variables() throws {
        let written = #"{"A": "geheim", "B": null}"#
        let file = #"{"bundle": {"environment": \#(written)}}"#
        for configuration in [
            try read([], [:], file), try read([], ["PERCH__BUNDLE__ENVIRONMENT": written]),
        ] {
            #expect(try configuration.variables("bundle.environment") == ["A": "geheim", "B": nil])
            let shown = configuration.entries.first { $0.key.name == "bundle.environment" }?.shown
            #expect(shown == "A, B (without their values)")
        }
        #expect(try read().variables("bundle.environment").isEmpty)
        for wrong in ["geheim", #"["geheim"]"#, #"{"A": ["geheim"]}"#, #"{"A-": "geheim"}"#, #"{"PERCH_X": "geheim"}"#]
        {
            let error = #expect(throws: PerchError.self) { try read([], ["PERCH__BUNDLE__ENVIRONMENT": wrong]) }
            #expect(error?.message.contains("geheim") == false && error?.message.contains("bundle.environment") == true)
        }
        let flag = #expect(throws: PerchError.self) { try read(["bundle.environment=" + written]) }
        #expect(
            flag?.message.contains("everybody on this machine") == true && flag?.message.contains("geheim") == false)
    }

    @Test(
        "a bundle has settings of its own; what it does not say, all bundles' say, but for what is the default one's alone"
    )
    func bundles() throws {
        let file = #"""
            {"bundle": {"nice": 5, "executable": "/own", "environment": {"A": "geheim"}, "processes": 3},
                "bundles": {"sales": {"nice": 7, "slots": 4, "executable": "/sales"}, "ops-eu": {"environment": {"B": "geheim"}}}}
            """#
        let configuration = try read(
            ["bundles.sales.max_memory=1GiB"], ["PERCH__BUNDLES__OPS-EU__MAX_AGE": "1h"], file)
        #expect(configuration.bundleNames == ["ops-eu", "sales"])
        #expect(configuration.number("bundle.nice") == 5 && configuration.number("core.parallelism") == 32)
        let sales = configuration.of(bundle: "sales")
        #expect(sales.number("bundle.nice") == 7 && sales.number("bundle.processes") == 3)
        #expect(sales.number("core.parallelism") == 4 && sales.number("bundle.max_memory") == 1 << 30)
        #expect(sales.text("bundle.executable") == "/sales")
        #expect(try sales.variables("bundle.environment").isEmpty)
        let ops = configuration.of(bundle: "ops-eu")
        #expect(ops.number("bundle.nice") == 5 && ops.text("bundle.executable") == nil)
        #expect(ops.number("bundle.max_age") == 3_600_000_000 && ops.number("core.parallelism") == 32)
        #expect(try ops.variables("bundle.environment") == ["B": "geheim"])
        #expect(!configuration.entries.contains { $0.shown?.contains("geheim") == true })
        #expect(origin(configuration, "bundles.sales.nice") == "7 from config.json")
        #expect(configuration.of(bundle: "other").number("bundle.nice") == 5)
        let home = try Home(option: "/nowhere", environment: [:])
        let error = #expect(throws: PerchError.self) {
            try BundlePlace("x", in: home, read(["bundles.x.user=no-such-account"])).conditions()
        }
        #expect(error?.message.contains("the bundle 'x': ") == true)
    }

    @Test("conditions that cannot be kept are refused before anything starts") func conditions() throws {
        for (file, words) in [
            (#"{"bundle": {"working_directory": "/nowhere/at/all"}}"#, "bundle.working_directory is '/nowhere/at/all'"),
            (#"{"bundle": {"user": "no-such-account"}}"#, "bundle.user"),
        ] {
            let configuration = try read([], [:], file)
            let error = #expect(throws: PerchError.self) { try BundleConditions(configuration) }
            #expect(error?.message.contains(words) == true, "\(String(describing: error))")
        }
        let set = try BundleConditions(
            read(["bundle.nice=2", "bundle.memory_limit=1GiB", "bundle.working_directory=/"]))
        #expect(set.niceness == 2 && set.memoryLimit == 1 << 30 && set.workingDirectory == "/" && set.user == nil)
    }

    @Test(
        "an unknown key or an ill-typed value is an error that names it",
        arguments: [
            (["core.paralelism=3"], [:], nil, "'core.paralelism'; did you mean 'core.parallelism'?"),
            ([], ["PERCH__CORE__PARALELISM": "3"], nil, "did you mean 'PERCH__CORE__PARALLELISM'?"),
            ([], [:], #"{"cor": {"parallelism": 1}}"#, "did you mean 'core.parallelism'?"),
            (["bundle.nice=20"], [:], nil, "bundle.nice"), (["bundle.processes=0"], [:], nil, "bundle.processes"),
            ([], [:], #"{"core": {"parallelism": {"a": 1}}}"#, "core.parallelism"),
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
            ([], [:], #"{"bundles": {"sales": 3}}"#, "'bundles.sales' is no object"),
            ([], [:], #"{"bundles": {"Sales": {"nice": 3}}}"#, "'Sales' is no name for a bundle"),
            ([], [:], #"{"bundles": {"default": {"nice": 3}}}"#, "stand in the section 'bundle'"),
            ([], [:], #"{"bundles": {"sales": {"nise": 3}}}"#, "bundles.sales.nise"),
            ([], [:], #"{"bundles": {"sales": {"nice": 20}}}"#, "bundles.sales.nice"),
            (["bundles.sales.nice=20"], [:], nil, "bundles.sales.nice"),
            (["bundles.sales.environment={}"], [:], nil, "everybody on this machine"),
            ([], ["PERCH__BUNDLES__SALES__NISE": "3"], nil, "PERCH__BUNDLES__SALES__NISE"),
            ([], [:], "[]", "config.json"),
            ([], [:], "{", "config.json"),
        ] as [([String], [String: String], String?, String)])
    func refusals(flags: [String], environment: [String: String], file: String?, named: String) {
        let error = #expect(throws: PerchError.self) { try read(flags, environment, file) }
        #expect(error?.message.contains(named) == true, "\(error?.message ?? "")")
    }
}

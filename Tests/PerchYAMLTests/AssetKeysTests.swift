// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchYAML

@Suite("Assets that start runs together, in YAML")
struct AssetKeysTests {
    private static let both: AssetExpression = "b" & "c"
    private static let either: AssetExpression = "b" | "c"
    private static let a: AssetExpression = "a"
    static let table: [(String, Schedule)] = [
        ("{asset: {all: [a, {any: [b, c]}]}}", Schedule.assets(a & either)),
        ("{asset: [a, {all: [b, {name: c}]}]}", Schedule.assets(a | both)),
        ("{all_assets: [a, {any: [b, c]}]}", Schedule.assets(a & either)),
        (
            "{asset: {all: [b, c]}, cron: 0 6 * * *, time_zone: Europe/Paris}",
            Schedule.assets(both).or(Schedule.cron("0 6 * * *", timeZone: "Europe/Paris"))
        ),
        ("{asset: {any: [b, {all: [b, c]}]}}", Schedule.assets(.any([.asset("b"), both]))),
    ]

    @Test("and, or and both in each other are read, and a cron beside them", arguments: table)
    func read(_ text: String, _ schedule: Schedule) throws {
        #expect(schedule.problem == nil)
        let dag = try Read("id: d\nschedule: \(text)\ntasks: []\n").dag()
        #expect(dag.schedule == schedule.definition)
        #expect(try DAGDefinition(parsing: dag.text) == dag)
    }

    @Test(
        "what is wrong in them is told at its place",
        arguments: [
            ("{asset: {all: [a, {any: []}]}}", "2:19 'schedule': an 'and' or 'or' of a schedule has members"),
            ("{asset: {and: [a]}}", "2:20 an asset has no 'and'; here it is called 'all'"),
            ("{asset: {all: a}}", "2:25 'all' is a list: a line with '- ' for each, not 'a'"),
            ("{asset: {all: [a], any: [b]}}", "2:30 an asset has either 'all' or 'any', not both"),
            ("{asset: {}}", "2:19 an asset has one of 'name', 'all' and 'any'"),
            ("{asset: [[a, b]]}", "2:20 'asset[0]' is an asset's name, or {all: […]} or {any: […]}, not a list"),
        ])
    func wrong(_ text: String, _ problem: String) {
        let problems = Read("id: d\nschedule: \(text)\ntasks: []\n").problems
        #expect(problems.contains { $0.hasPrefix(problem) }, "\(problems)")
    }
}

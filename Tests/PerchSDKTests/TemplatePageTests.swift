// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import PerchSDK

@Suite("The page on templates") struct TemplatePageTests {
    /// The rows of the table under a heading, a list of cells each.
    private func rows(under heading: String) throws -> [[String]] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Sources/Perch/Perch.docc/Templates.md")
        let lines = try String(contentsOf: file, encoding: .utf8).split(
            separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(lines.firstIndex { $0.hasPrefix(heading) })
        return lines[start...].drop { !$0.hasPrefix("|") }.prefix { $0.hasPrefix("|") }.dropFirst(2).map { line in
            line.dropFirst(2).dropLast(2).split(separator: " | ").map(String.init)
        }
    }

    @Test("has every name, and no other") func names() throws {
        let documented = try rows(under: "## Names").flatMap { $0[0].split(separator: ", ").map(String.init) }
        let groups = TemplateNames.groups.filter { $0.name != "task_instance" }
        let known =
            TemplateNames.plain + TemplateNames.open
            + groups.flatMap { group in group.members.map { "\(group.name).\($0)" } }
        #expect(documented.sorted() == known.map { "`\($0)`" }.sorted())
        let (ti, long) = (
            TemplateNames.groups.first { $0.name == "ti" }, TemplateNames.groups.first { $0.name == "task_instance" }
        )
        #expect(ti?.members == long?.members)
    }

    @Test("has every filter, macro and sign, and what they give") func forms() throws {
        let filters = TemplateFilter.allCases.map { ["`\($0.form.written)`", $0.form.summary] }
        #expect(try rows(under: "## Filters") == filters)
        let macros = TemplateMacro.allCases.map { ["`\($0.form.written)`", $0.form.summary] }
        #expect(try rows(under: "## Macros") == macros)
        #expect(try rows(under: "The forms of") == TemplateDate.signs.map { ["`%\($0.sign)`", $0.meaning] })
    }

    @Test("every form in its tables can be written") func written() throws {
        for filter in TemplateFilter.allCases {
            for form in filter.form.written.split(separator: /, (?=[a-z])/) {
                #expect(throws: Never.self, "\(form)") { try Template("{{ params.x | \(form) }}") }
            }
        }
        for macro in TemplateMacro.allCases {
            for form in macro.form.written.split(separator: /, (?=random|uuid)/) {
                let text = "{{ \(form.replacing("since", with: "ts")) }}"
                #expect(throws: Never.self, "\(form)") { try Template(text) }
                #expect(TemplateCheck.problems(in: text) == [])
            }
        }
    }
}

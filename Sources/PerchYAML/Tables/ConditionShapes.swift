// SPDX-License-Identifier: Apache-2.0

/// Conditions, in the form in which they are stored.
enum ConditionShapes {
    private static let tests = [
        "equals", "not_equals", "in", "greater_than", "at_least", "less_than", "at_most", "exists", "matches",
        "contains",
    ]

    static let json = ObjectShape(
        name: "a condition",
        fields: [
            Field("path", .text, "which value is tested: $.job.state, $.items[0]"),
            Field("equals", .any, "it is this one"),
            Field("not_equals", .any, "it is there, and another"),
            Field("in", .list(.any), "it is one of these"),
            Field("greater_than", .any, "it is greater"),
            Field("at_least", .any, "it is as great, or greater"),
            Field("less_than", .any, "it is less"),
            Field("at_most", .any, "it is as great, or less"),
            Field("exists", .flag, "it is there; with false, it is not"),
            Field("matches", .text, "it is a text in which this pattern matches somewhere"),
            Field(
                "contains", .any, "it is a text with this part, a list with this element, or a mapping with this key"),
            Field("all", .list(.named("json_condition")), "all of these"),
            Field("any", .list(.named("json_condition")), "at least one of these"),
            Field("not", .named("json_condition"), "not this"),
        ],
        rules: [.exactlyOne(["path", "all", "any", "not"]), .atMostOne(tests)] + tests.map { .needs($0, ["path"]) } + [
            .needs("path", tests)
        ])

    static let http = ObjectShape(
        name: "a condition",
        fields: [
            Field("status", .oneOrMore(.scalar), "the status: 200, \"200-299\", or a list of them"),
            Field("header", .text, "the name of a header of the answer"),
            Field("equals", .text, "what the header is"),
            Field("matches", .text, "a pattern that matches somewhere in the header"),
            Field("json", .named("json_condition"), "what the body, which is JSON, must meet"),
            Field("body", .text, "a pattern that matches somewhere in the body"),
            Field("all", .list(.named("http_condition")), "all of these"),
            Field("any", .list(.named("http_condition")), "at least one of these"),
            Field("not", .named("http_condition"), "not this"),
        ],
        rules: [
            .exactlyOne(["status", "header", "json", "body", "all", "any", "not"]), .atMostOne(["equals", "matches"]),
            .needs("header", ["equals", "matches"]), .needs("equals", ["header"]), .needs("matches", ["header"]),
        ])

    static let sql = ObjectShape(
        name: "a condition",
        fields: [
            Field("truthy", .yes, "true: the first value is neither null, false, 0 nor empty"),
            Field("rows", .integer(1...100_000), "there are so many rows at least"),
            Field("first", .named("json_condition"), "what the first value of the first row must meet, as $"),
            Field("row", .named("json_condition"), "what one of the rows must meet, with its columns as $.name"),
            Field("all", .list(.named("sql_condition")), "all of these"),
            Field("any", .list(.named("sql_condition")), "at least one of these"),
            Field("not", .named("sql_condition"), "not this"),
        ],
        rules: [.exactlyOne(["truthy", "rows", "first", "row", "all", "any", "not"])])
}

// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchSDK

/// What pages need beside themselves. It is part of the program, and its name changes with what is in it, so that a browser asks for
/// each once.
struct StaticFile: Sendable {
    let name: String
    let type: String
    let text: String

    private init(_ stem: String, _ ending: String, type: String, _ text: String) {
        var hash = StableHash128()
        hash.combine(text)
        name = "\(stem)-\(hash.text.prefix(16)).\(ending)"
        self.type = type
        self.text = text
    }

    var path: String { "/static/\(name)" }

    static let stylesheet = StaticFile(
        "perch", "css", type: "text/css; charset=utf-8", Stylesheet.base + Stylesheet.parts + Stylesheet.pictures)
    static let script = StaticFile("perch", "js", type: "text/javascript; charset=utf-8", Script.text)
    static let icon = StaticFile(
        "perch", "svg", type: "image/svg+xml",
        """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#6d4fc4"/>\
        <path d="M6 23h20" stroke="#fff" stroke-width="2.4" stroke-linecap="round"/>\
        <path d="M9 12c0-4 3-6 6-6s5 2 5 5l4 2-4 1c0 5-4 8-8 8-2 0-3-1-3-1 3-1 4-4 2-6-1-1-2-2-2-3z" fill="#fff"/>\
        <circle cx="16.5" cy="10" r="1.2" fill="#6d4fc4"/></svg>
        """)

    static let all = [stylesheet, script, icon]
}

extension PageRoute {
    static let statics: [PageRoute] = [
        .get("/static/{file}", isPublic: true) { call in
            guard let file = StaticFile.all.first(where: { $0.name == call.name("file") }) else {
                throw Refusal(.notFound, "not_found", "there is no file '\(call.name("file").shown())'")
            }
            return .file(type: file.type, bytes: Array(file.text.utf8))
        },
        .get("/theme", isPublic: true) { call in
            guard let theme = call.query["to"].flatMap(Theme.init(rawValue:)) else {
                let names = Theme.allCases.map(\.rawValue).joined(separator: ", ")
                throw Refusal.parameter("to", "'to' is one of \(names)")
            }
            return .keep(name: PageAPI.themeCookie, value: theme.rawValue, to: call.wayBack(or: "/"))
        },
    ]
}

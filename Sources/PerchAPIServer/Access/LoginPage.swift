// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

/// The page on which people say who they are.
struct LoginPage {
    var csrf: String
    /// Where they go from here.
    var next: String
    /// Why they are here again; nil where they are here for the first time.
    var problem: String?

    func answer(_ status: HTTPResponse.Status) -> APIAnswer {
        let message = problem.map { "<p role=\"alert\">\(Self.escaped($0))</p>" } ?? ""
        let text = """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
            <title>Log in · Perch</title></head>
            <body><main><h1>Perch</h1>\(message)
            <form method="post" action="/login">
            <input type="hidden" name="csrf" value="\(Self.escaped(csrf))">
            <input type="hidden" name="next" value="\(Self.escaped(next))">
            <p><label>Name <input name="name" autocomplete="username" required autofocus></label></p>
            <p><label>Password
            <input name="password" type="password" autocomplete="current-password" required></label></p>
            <p><button>Log in</button></p>
            </form></main></body></html>

            """
        return APIAnswer(status, type: "text/html; charset=utf-8", body: Array(text.utf8))
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }
}

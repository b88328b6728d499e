// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Light or dark.
enum Theme: String, CaseIterable {
    case system, light, dark

    init(_ cookies: FormFields) { self = cookies[PageAPI.themeCookie].flatMap(Self.init(rawValue:)) ?? .system }

    /// The one that the button changes to.
    var next: Theme {
        switch self {
        case .system: .dark
        case .dark: .light
        case .light: .system
        }
    }

    var words: String {
        switch self {
        case .system: "Theme: system"
        case .light: "Theme: light"
        case .dark: "Theme: dark"
        }
    }
}

/// What stands around every page.
struct PageLayout {
    /// Nil where it is not known who asks.
    var caller: Caller?
    var theme: Theme
    var path: String
    /// What the page before has left to be said.
    var words: String?

    func whole(_ content: PageContent) -> HTML {
        let live: HTML = .when(content.isLive, " data-live")
        return """
            <!DOCTYPE html>
            <html lang="en" data-theme="\(theme.rawValue)">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="\(theme == .system ? "light dark" : theme.rawValue)">
            <title>\(content.title) · Perch</title>
            <link rel="icon" href="\(StaticFile.icon.path)" type="image/svg+xml">
            <link rel="stylesheet" href="\(StaticFile.stylesheet.path)">
            <script src="\(StaticFile.script.path)" defer></script>
            </head>
            <body>
            <a class="skip" href="#main">Skip to content</a>
            <header class="top">
            <a class="brand" href="/">Perch</a>
            \(navigation(content.section))
            \(tools)
            </header>
            <main id="main" tabindex="-1"\(live)>
            \(trail(content))
            \(flash)
            <div class="head"><h1>\(content.title)</h1>\(content.aside)</div>
            \(tabs(content.tabs))
            \(content.body)
            </main>
            </body>
            </html>

            """
    }

    private func navigation(_ current: PageSection) -> HTML {
        // The own account stands beside the theme.
        let sections = PageSection.allCases.filter { $0 != .account && PageTable.has($0.path, for: caller) }
        let items = sections.map { section -> HTML in
            let mark: HTML = .when(section == current && caller != nil, " aria-current=\"page\"")
            return "<li><a href=\"\(section.path)\"\(mark)>\(section.rawValue)</a></li>"
        }
        return "<nav aria-label=\"Main\"><ul>\(items)</ul></nav>"
    }

    /// The theme is changed by a link, which needs no script, and no right.
    private var tools: HTML {
        let link = "/theme" + PagePath.query([("to", theme.next.rawValue), ("back", path)])
        let who: HTML =
            caller.map { caller in
                caller.way == .session
                    ? "<a class=\"who\" href=\"/account\" title=\"Your account\">\(caller.name)</a>"
                    : "<span class=\"who\" title=\"Signed in as\">\(caller.name)</span>"
            } ?? .empty
        return """
            <div class="tools">\(who)<a class="theme" href="\(exact: link)" rel="nofollow" \
            title="Change to \(theme.next.rawValue)">\(theme.words)</a></div>
            """
    }

    private func trail(_ content: PageContent) -> HTML {
        guard !content.trail.isEmpty else { return .empty }
        let items = content.trail.map { step -> HTML in
            "<li><a href=\"\(exact: step.path)\">\(step.words)</a></li>"
        }
        return "<nav class=\"trail\" aria-label=\"Where you are\"><ol>\(items)</ol></nav>"
    }

    private func tabs(_ tabs: [PageTab]) -> HTML {
        guard !tabs.isEmpty else { return .empty }
        let items = tabs.map { tab -> HTML in
            let mark: HTML = .when(tab.isCurrent, " aria-current=\"page\"")
            return "<li><a href=\"\(exact: tab.path)\"\(mark)>\(tab.words)</a></li>"
        }
        return "<nav class=\"tabs\" aria-label=\"Views\"><ul>\(items)</ul></nav>"
    }

    private var flash: HTML {
        words.map { "<p class=\"flash\" role=\"status\">\($0)</p>" } ?? .empty
    }
}

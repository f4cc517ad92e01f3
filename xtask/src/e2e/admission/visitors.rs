//! The console behind the API server's authorisation: who is known, who may see which namespace, and who may not.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::objects::{self, pod};
use super::{PATIENCE, Scene};
use crate::gate::Gate;
use crate::shell;

/// Accounts of the namespace `ci`: one may see the namespace `policy`, one another, one the whole cluster, one nothing.
const VISITORS: [&str; 4] = ["guest", "neighbour", "auditor", "stranger"];
/// What the chart calls the role of those who look.
const ROLE: &str = "provost-console-viewer";

/// An answer of the console.
struct Shown {
    status: u16,
    /// Head and body.
    text: String,
}

impl Scene<'_> {
    /// Who has a right sees what it is about, who has none is refused, who is nobody is asked for a token.
    pub(super) fn visitors(&self, gate: &Gate) -> Result<()> {
        for visitor in VISITORS {
            self.kubectl(&["create", "serviceaccount", visitor, "-n", "ci"])?;
        }
        let role = format!("--clusterrole={ROLE}");
        let bind = |kind: &str, visitor: &str, more: &[&str]| {
            let who = format!("--serviceaccount=ci:{visitor}");
            let name = format!("console-{visitor}");
            self.kubectl(&[&["create", kind, &name, &role, &who], more].concat())
        };
        bind("rolebinding", "guest", &["-n", "policy"])?;
        bind("rolebinding", "neighbour", &["-n", "quiet"])?;
        bind("clusterrolebinding", "auditor", &[])?;
        let token = |visitor: &str| -> Result<String> {
            Ok(self.kubectl(&["create", "token", visitor, "-n", "ci"])?.trim().to_owned())
        };
        let (guest, neighbour) = (token("guest")?, token("neighbour")?);
        let (auditor, stranger) = (token("auditor")?, token("stranger")?);
        // A decision of another namespace, which the gate lets in without a policy about it.
        self.create("/api/v1/namespaces/ci/pods", &pod("seen-by-few", &self.bad))?;
        self.denies(
            "a Pod to be looked at",
            &self.create(objects::PODS, &pod("looked-at", &self.bad))?,
            "was blocked",
        )?;

        let pages = ["/ui", "/ui/decisions?show=all", "/ui/images", "/ui/signers", "/ui/policies"];
        for page in pages {
            for (who, token, status) in [
                ("nobody", "", 401),
                ("a stranger's made-up token", "made.up.token", 401),
                ("a stranger", stranger.as_str(), 403),
                ("a neighbour", &neighbour, 200),
                ("a guest", &guest, 200),
                ("an auditor", &auditor, 200),
            ] {
                let shown = self.look(page, token, &[])?;
                if shown.status != status {
                    bail!("{page} for {who}: expected {status}, found {}\n{}", shown.status, shown.text);
                }
                let sees = who == "a guest" || who == "an auditor";
                if !sees && (shown.text.contains("looked-at") || shown.text.contains(&self.bad)) {
                    bail!("{page} shows {who} what it must not:\n{}", shown.text);
                }
            }
        }
        let decisions = "/ui/decisions?show=all";
        for (who, token, sees) in
            [("guest", &guest, true), ("neighbour", &neighbour, false), ("auditor", &auditor, true)]
        {
            let shown = self.look(decisions, token, &[])?;
            if shown.text.contains("looked-at") != sees {
                bail!("the denial is shown to the {who}: expected {sees}, found {}\n{}", !sees, shown.text);
            }
            if shown.text.contains("seen-by-few") && who != "auditor" {
                bail!("the {who} sees another namespace's decisions:\n{}", shown.text);
            }
        }
        if gate.ask("/ui").contains("<html") {
            bail!("the console is served where the API server asks too");
        }
        self.sign_in(&guest)?;
        // That takes twice ten seconds.
        if !self.setting.short {
            self.taken_away(gate, &guest)?;
        }
        shell::say(
            "the console shows to each what the API server lets them see: 200, 403 without a right, 401 without a name",
        );
        Ok(())
    }

    /// By the form, as a browser does it: the token goes once, a cookie stands for it.
    fn sign_in(&self, token: &str) -> Result<()> {
        let form = format!("token={token}");
        let refused = self.look("/ui/sign-in", "", &["--data", "token=made.up"])?;
        let signed = self.look("/ui/sign-in", "", &["--data", &form])?;
        if (refused.status, signed.status) != (401, 303) {
            bail!("signing in: expected 401 and 303, found {} and {}", refused.status, signed.status);
        }
        let head = signed.text.to_lowercase();
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).context("a cookie")?;
        if !cookie.contains("httponly") || cookie.contains(&token.to_lowercase()) {
            bail!("the cookie: {cookie}");
        }
        let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap_or_default());
        match self.look("/ui", "", &["-H", &cookie])?.status {
            200 => Ok(()),
            other => bail!("signed in, and the console answers {other}"),
        }
    }

    /// A right that is taken away ends within ten seconds, and so does a token whose account is gone.
    fn taken_away(&self, gate: &Gate, guest: &str) -> Result<()> {
        self.kubectl(&["delete", "rolebinding", "console-guest", "-n", "policy"])?;
        self.until_status(gate, guest, 403)?;
        self.kubectl(&["delete", "serviceaccount", "guest", "-n", "ci"])?;
        self.until_status(gate, guest, 401)
    }

    fn until_status(&self, gate: &Gate, token: &str, status: u16) -> Result<()> {
        let began = std::time::Instant::now();
        self.wait(gate, || {
            let shown = self.look("/ui", token, &[])?;
            Ok((shown.status != status).then(|| format!("the console answers {}", shown.status)))
        })?;
        // Ten seconds are promised; the machine may be busy.
        let took = began.elapsed();
        if took > Duration::from_secs(15).min(PATIENCE) {
            bail!("the console answers {status} only after {:.0} s", took.as_secs_f64());
        }
        Ok(())
    }

    /// What the console answers to who brings this token, or none.
    fn look(&self, page: &str, token: &str, more: &[&str]) -> Result<Shown> {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-i", "--max-time", "10"]).args(more);
        if !token.is_empty() {
            curl.arg("-H").arg(format!("Authorization: Bearer {token}"));
        }
        let output = curl.arg(format!("http://{}{page}", self.console)).output().context("curl")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Ok(Shown { status, text })
    }
}

/** The page's language: English is in the first load, Korean comes when it is chosen. */

import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import { getPrefs, subscribePrefs } from "../lib/prefs";
import type { Language } from "../lib/prefs";
import { en } from "./en";

async function load(language: Language): Promise<void> {
  if (language !== "ko" || i18next.hasResourceBundle("ko", "translation")) return;
  const { ko } = await import("./ko");
  i18next.addResourceBundle("ko", "translation", ko);
}

/** Starts the translations; resolves when the chosen language is there. */
export async function startI18n(): Promise<void> {
  await i18next.use(initReactI18next).init({
    lng: "en",
    fallbackLng: "en",
    resources: { en: { translation: en } },
    interpolation: { escapeValue: false },
    react: { useSuspense: false },
  });
  await follow();
  subscribePrefs(() => void follow());
}

async function follow(): Promise<void> {
  const { language } = getPrefs();
  if (i18next.language === language) return;
  try {
    await load(language);
    await i18next.changeLanguage(language);
  } catch {
    // The texts could not be fetched: the page stays in the language it has.
  }
}
